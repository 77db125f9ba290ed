"""java.net.http.HttpClient: NIO below"""

NEEDS = ""  # tests/deps takes a java from elsewhere, too
SERVICE = "web"
BUILD = ["javac", "-d", "{folder}", "{file}"]
JAVA = ["java", "-XX:TieredStopAtLevel=1", "-cp", "{folder}"]
COMMAND = [*JAVA, "Client", "{host}", "{port}", "{count}"]
PRINTS = "this page is private"
# It tries again on the socket that the failure has closed, and tells of that only.
REFUSED = TIMED_OUT = r"ConnectException\njava.nio.channels.ClosedChannelException"
SOURCE = (
    "Client.java",
    """
import java.net.URI;
import java.net.http.*;
import java.util.ArrayList;
import java.util.concurrent.*;

public class Client {
    public static void main(String[] args) throws Exception {
        var page = URI.create("http://" + args[0] + ":" + args[1] + "/");
        var request = HttpRequest.newBuilder(page).build();
        var client = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
        var answers = new ArrayList<CompletableFuture<HttpResponse<String>>>();
        for (int i = 0; i < Integer.parseInt(args[2]); i++)
            answers.add(client.sendAsync(request, HttpResponse.BodyHandlers.ofString()));
        try {
            for (var answer : answers)
                System.out.print(answer.get().body());
        } catch (ExecutionException failed) {
            for (Throwable cause = failed; cause != null; cause = cause.getCause())
                System.out.println(cause);
            System.exit(1);
        }
        System.exit(0);
    }
}
""",
)
