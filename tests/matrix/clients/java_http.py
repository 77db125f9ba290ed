"""java.net.http.HttpClient: NIO below"""

NEEDS = ""  # tests/deps takes a java from elsewhere, too
SERVICE = "web"
BUILD = ["javac", "-d", "{folder}", "{file}"]
COMMAND = ["java", "-Xshare:auto", "-XX:TieredStopAtLevel=1", "-cp", "{folder}", "Client", "{host}", "{port}", "{count}"]
PRINTS = "this page is private"
SOURCE = (
    "Client.java",
    """
import java.net.URI;
import java.net.http.*;
import java.util.ArrayList;
import java.util.concurrent.*;

public class Client {
    public static void main(String[] args) throws Exception {
        HttpClient client = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
        HttpRequest request = HttpRequest.newBuilder(URI.create("http://" + args[0] + ":" + args[1] + "/")).build();
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
