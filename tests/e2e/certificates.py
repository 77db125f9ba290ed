"""A certificate authority for one test, made with the openssl command."""

import os
import subprocess


class Authority:
    """.path is its certificate; .leaf a (certificate, key) for this machine's loopback."""

    def __init__(self, folder, name="hybridge tests"):
        os.mkdir(folder, 0o700)
        self.folder = folder
        self.path = os.path.join(folder, "ca.pem")
        self.key = os.path.join(folder, "ca.key")
        self._openssl(
            *("req", "-x509", "-days", "2", "-subj", f"/CN={name}", *self._new_key(self.key)),
            *("-addext", "keyUsage=critical,keyCertSign,cRLSign", "-out", self.path),
        )
        self.leaf = self.make("localhost", "DNS:localhost,IP:127.0.0.1")

    def make(self, name, alternatives):
        """A certificate and key for a server, signed by the authority."""
        base = os.path.join(self.folder, name)
        self._openssl(
            *("req", "-x509", "-days", "2", "-subj", f"/CN={name}", *self._new_key(base + ".key")),
            *("-CA", self.path, "-CAkey", self.key, "-out", base + ".pem"),
            *("-addext", "basicConstraints=critical,CA:FALSE"),
            *("-addext", "extendedKeyUsage=serverAuth"),
            *("-addext", f"subjectAltName={alternatives}"),
        )
        return base + ".pem", base + ".key"

    @staticmethod
    def _new_key(path):
        return ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", path)

    @staticmethod
    def _openssl(*argv):
        subprocess.run(["openssl", *argv], check=True, capture_output=True)
