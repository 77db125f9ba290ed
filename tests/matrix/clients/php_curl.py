"""an extension loaded with RTLD_DEEPBIND: curl_multi"""

NEEDS = "php-cli php-curl"
SERVICE = "web"
COMMAND = ["php", "{file}", "{host}", "{port}", "{count}"]
PRINTS = "this page is private"
REFUSED = "errno 111"
TIMED_OUT = "errno 110"
SOURCE = (
    "client.php",
    """<?php
[, $host, $port, $count] = $argv;
$all = curl_multi_init();
$handles = [];
for ($i = 0; $i < $count; $i++) {
    $handle = curl_init("http://$host:$port/");
    curl_setopt($handle, CURLOPT_RETURNTRANSFER, true);
    curl_multi_add_handle($all, $handle);
    $handles[] = $handle;
}
do {
    curl_multi_exec($all, $running);
    curl_multi_select($all);
} while ($running);
$failed = 0;
while ($done = curl_multi_info_read($all)) {
    if ($done['result'] != CURLE_OK) {
        $handle = $done['handle'];
        echo curl_error($handle), ', errno ', curl_getinfo($handle, CURLINFO_OS_ERRNO), "\\n";
        $failed = 1;
    }
}
foreach ($handles as $handle)
    echo curl_multi_getcontent($handle);
exit($failed);
""",
)
