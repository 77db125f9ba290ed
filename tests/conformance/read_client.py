"""Connects, says one word, reads to the end and tells what came and how it ended.

read_client.py HOST PORT
"""

import errno
import json
import socket
import sys


def read(stream):
    """The next bytes, or none and what ended the stream."""
    try:
        data = stream.recv(65536)
        return data, "" if data else "eof"
    except OSError as error:
        return b"", errno.errorcode[error.errno]


with socket.create_connection((sys.argv[1], int(sys.argv[2]))) as connection:
    connection.sendall(b"hello")
    end = ""
    while not end:
        came, end = read(connection)
        if came:
            print(json.dumps({"came": came.hex()}), flush=True)
    print(json.dumps({"end": end}), flush=True)
