"""PostgreSQL's JDBC driver: java.net.Socket with a time-out"""

NEEDS = "libpostgresql-jdbc-java"
SERVICE = "postgres"
BUILD = ["javac", "-d", "{folder}", "{file}"]
JAVA = ["java", "-XX:TieredStopAtLevel=1", "-cp", "{folder}:/usr/share/java/postgresql.jar"]
COMMAND = [*JAVA, "Client", "{host}", "{port}", "{count}"]
PRINTS = "got 42"
SOURCE = (
    "Client.java",
    """
import java.sql.*;

public class Client {
    static volatile boolean failed;

    static void ask(String url) {
        try (Connection connection = DriverManager.getConnection(url, "shop", "");
             Statement statement = connection.createStatement();
             ResultSet rows = statement.executeQuery("select 'got ' || 6 * 7")) {
            rows.next();
            System.out.println(rows.getString(1));
        } catch (SQLException error) {
            failed = true;
            System.out.println(error.getCause());
        }
    }

    public static void main(String[] args) throws Exception {
        String url = "jdbc:postgresql://" + args[0] + ":" + args[1] + "/postgres?connectTimeout=20";
        Thread[] threads = new Thread[Integer.parseInt(args[2])];
        for (int i = 0; i < threads.length; i++) {
            threads[i] = new Thread(() -> ask(url));
            threads[i].start();
        }
        for (Thread thread : threads)
            thread.join();
        System.exit(failed ? 1 : 0);
    }
}
""",
)
