import java.io.InputStream;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.nio.charset.StandardCharsets;

/** Fetches / over a plain socket and prints the body, or what connect() threw. */
public class Fetch {
	public static void main(String[] args) throws Exception {
		String host = args[0];
		int port = Integer.parseInt(args[1]);

		try (Socket socket = new Socket()) {
			socket.connect(new InetSocketAddress(host, port), 10_000);
			String request = "GET / HTTP/1.0\r\nHost: " + host + "\r\n\r\n";
			socket.getOutputStream().write(request.getBytes(StandardCharsets.US_ASCII));
			InputStream in = socket.getInputStream();
			String answer = new String(in.readAllBytes(), StandardCharsets.UTF_8);
			System.out.print(answer.substring(answer.indexOf("\r\n\r\n") + 4));
		} catch (java.net.ConnectException refused) {
			System.out.println(refused.getMessage());
		}
	}
}
