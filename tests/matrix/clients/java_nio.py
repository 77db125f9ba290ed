"""SocketChannel with a Selector: epoll, finishConnect()"""

NEEDS = ""  # tests/deps takes a java from elsewhere, too
SERVICE = "echo"
BUILD = ["javac", "-d", "{folder}", "{file}"]
JAVA = ["java", "-XX:TieredStopAtLevel=1", "-cp", "{folder}"]
COMMAND = [*JAVA, "Client", "{host}", "{port}", "{count}"]
PRINTS = "it echoes"
SOURCE = (
    "Client.java",
    """
import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.*;

public class Client {
    static boolean failed;

    /** Returns whether the channel has nothing more to do. */
    static boolean step(SelectionKey key) throws IOException {
        SocketChannel channel = (SocketChannel) key.channel();
        if (key.isConnectable()) {
            channel.finishConnect();
            channel.write(ByteBuffer.wrap("it echoes\\n".getBytes()));
            key.interestOps(SelectionKey.OP_READ);
            return false;
        }
        ByteBuffer buffer = ByteBuffer.allocate(100);
        channel.read(buffer);
        System.out.print(new String(buffer.array(), 0, buffer.position()));
        channel.close();
        return true;
    }

    public static void main(String[] args) throws Exception {
        Selector selector = Selector.open();
        int left = Integer.parseInt(args[2]);
        for (int i = 0; i < left; i++) {
            SocketChannel channel = SocketChannel.open();
            channel.configureBlocking(false);
            channel.connect(new InetSocketAddress(args[0], Integer.parseInt(args[1])));
            channel.register(selector, SelectionKey.OP_CONNECT);
        }
        while (left > 0) {
            selector.select();
            for (SelectionKey key : selector.selectedKeys()) {
                try {
                    left -= step(key) ? 1 : 0;
                } catch (IOException error) {
                    System.out.println(error);
                    key.channel().close();
                    failed = true;
                    left--;
                }
            }
            selector.selectedKeys().clear();
        }
        System.exit(failed ? 1 : 0);
    }
}
""",
)
