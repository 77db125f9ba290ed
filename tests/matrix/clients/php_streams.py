"""PHP's own streams: non-blocking, poll, SO_ERROR"""

NEEDS = "php-cli"
SERVICE = "echo"
COMMAND = ["php", "{file}", "{host}", "{port}", "{count}"]
PRINTS = "it echoes"
SOURCE = (
    "client.php",
    """<?php
[, $host, $port, $count] = $argv;
$streams = [];
for ($i = 0; $i < $count; $i++) {
    $stream = @stream_socket_client("tcp://$host:$port", $number, $error, 20);
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
