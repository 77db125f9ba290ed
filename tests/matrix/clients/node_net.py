"""libuv: names in a thread, non-blocking, epoll, SO_ERROR"""

NEEDS = ""  # tests/deps takes a node from elsewhere, too
SERVICE = "echo"
COMMAND = ["node", "{file}", "{host}", "{port}", "{count}"]
PRINTS = "it echoes"
REFUSED = "ECONNREFUSED"
TIMED_OUT = "ETIMEDOUT"
SOURCE = (
    "client.js",
    """
const net = require('net');
const [host, port, count] = process.argv.slice(2);
for (let i = 0; i < Number(count); i++) {
    const socket = net.connect(Number(port), host);
    socket.end('it echoes\\n');
    socket.on('data', (data) => process.stdout.write(data));
    socket.on('error', (error) => {
        console.log(error.code);
        process.exitCode = 1;
    });
}
""",
)
