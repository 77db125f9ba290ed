"""java.net.Socket with a time-out: one thread each, poll"""

NEEDS = ""  # tests/deps takes a java from elsewhere, too
SERVICE = "echo"
BUILD = ["javac", "-d", "{folder}", "{file}"]
JAVA = ["java", "-XX:TieredStopAtLevel=1", "-cp", "{folder}"]
COMMAND = [*JAVA, "Client", "{host}", "{port}", "{count}"]
PRINTS = "it echoes"
SOURCE = (
    "Client.java",
    """
import java.io.*;
import java.net.*;

public class Client {
    static boolean failed;

    static void talk(String host, int port) {
        try (Socket socket = new Socket()) {
            socket.connect(new InetSocketAddress(host, port), 20_000);
            socket.getOutputStream().write("it echoes\\n".getBytes());
            var lines = new BufferedReader(new InputStreamReader(socket.getInputStream()));
            System.out.println(lines.readLine());
        } catch (IOException error) {
            failed = true;
            System.out.println(error);
        }
    }

    public static void main(String[] args) throws Exception {
        Thread[] threads = new Thread[Integer.parseInt(args[2])];
        for (int i = 0; i < threads.length; i++) {
            threads[i] = new Thread(() -> talk(args[0], Integer.parseInt(args[1])));
            threads[i].start();
        }
        for (Thread thread : threads)
            thread.join();
        System.exit(failed ? 1 : 0);
    }
}
""",
)
