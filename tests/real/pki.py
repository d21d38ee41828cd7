"""A private authority, and certificates that it signs; made with openssl."""

import subprocess

KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-batch"]


class Authority:
    """`NAME.crt` and `NAME.key` of an authority in a folder."""

    def __init__(self, folder, name="ca"):
        self.folder, self.certificate, self.key = folder, folder / f"{name}.crt", folder / f"{name}.key"
        self._make(name, "-subj", f"/CN={name}", "-addext", "basicConstraints=critical,CA:TRUE",
                   "-addext", "keyUsage=critical,keyCertSign,cRLSign")

    def sign(self, name, *alternatives):
        """`NAME.crt`, `NAME.key` and both as `NAME.pem`, for servers and clients, with these as alternative names."""
        self._make(name, "-subj", f"/CN={name}", "-addext", f"subjectAltName={','.join(alternatives)}",
                   "-addext", "basicConstraints=critical,CA:FALSE", "-addext", "keyUsage=critical,digitalSignature",
                   "-addext", "extendedKeyUsage=serverAuth,clientAuth", "-CA", self.certificate, "-CAkey", self.key)
        certificate, key = self.folder / f"{name}.crt", self.folder / f"{name}.key"
        (self.folder / f"{name}.pem").write_text(certificate.read_text() + key.read_text())

    def _make(self, name, *arguments):
        subprocess.run(["openssl", "req", "-x509", *KEY, "-keyout", self.folder / f"{name}.key", "-out", self.folder / f"{name}.crt", *arguments],
                       check=True, capture_output=True)
