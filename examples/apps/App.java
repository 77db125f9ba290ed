import java.sql.*;

/** Lists the databases of a PostgreSQL server. */
public class App {
    public static void main(String[] args) {
        String url = String.format("jdbc:postgresql://%s:%s/%s",
                System.getenv("PGHOST"), System.getenv("PGPORT"), System.getenv("PGDATABASE"));
        String sql = "select datname, pg_encoding_to_char(encoding) from pg_database order by 1";
        try (Connection db = DriverManager.getConnection(
                     url, System.getenv("PGUSER"), System.getenv("PGPASSWORD"));
             Statement statement = db.createStatement();
             ResultSet rows = statement.executeQuery(sql)) {
            while (rows.next())
                System.out.println(rows.getString(1) + " " + rows.getString(2));
        } catch (SQLException error) {
            System.err.println(error.getMessage());
            System.exit(1);
        }
    }
}
