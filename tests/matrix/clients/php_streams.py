"""PHP's own streams: non-blocking, poll, SO_ERROR"""

NEEDS = "php-cli"
SERVICE = "echo"
COMMAND = ["php", "{file}", "{host}", "{port}", "{count}"]
PRINTS = "it echoes"
SOURCE = (
    "client.php",
    """<?php
[, $host, $port, $count] = $argv;
$flags = STREAM_CLIENT_CONNECT | ($count > 1 ? STREAM_CLIENT_ASYNC_CONNECT : 0);
$streams = [];
for ($i = 0; $i < $count; $i++) {
    $stream = @stream_socket_client("tcp://$host:$port", $number, $error, 20, $flags);
    if (!$stream) {
        echo $error, "\\n";
        exit(1);
    }
    $streams[] = $stream;
}
foreach ($streams as $stream) {
    fwrite($stream, "it echoes\\n");
    echo fgets($stream);
}
""",
)
