"""proxy_pass in two workers: epoll, edge-triggered, before connect()"""

NEEDS = "nginx-light curl"
SERVICE = "web"
COMMAND = ["sh", "{file}", "{host}", "{port}", "{count}"]
PRINTS = "this page is private"
SOURCE = (
    "client.sh",
    """
cat >nginx.conf <<END
user $(id -un) $(id -gn);
worker_processes 2;
pid $PWD/pid;
events { worker_connections 512; }
http {
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    server {
        listen unix:$PWD/socket;
        location / { proxy_pass http://$1:$2; }
    }
}
END
PATH=$PATH:/usr/sbin
nginx -p "$PWD" -e "$PWD/log" -c "$PWD/nginx.conf" || exit 1
curl -sSf --unix-socket socket -Z --parallel-max 300 "http://proxy/?[1-$3]"
status=$?
cat log
kill "$(cat pid)"
exit $status
""",
)
