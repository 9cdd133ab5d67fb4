"""A certificate authority for one test run, made with openssl."""

import subprocess


def openssl(*arguments):
    subprocess.run(["openssl", *map(str, arguments)], check=True,
                   stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def make_certificate(directory, names=("DNS:localhost", "IP:127.0.0.1"),
                     days=2):
    """Returns (ca_file, certificate, key) in `directory`."""
    ca, ca_key = directory / "ca.pem", directory / "ca.key"
    certificate, key = directory / "server.pem", directory / "server.key"
    request, extra = directory / "server.csr", directory / "server.ext"
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]

    openssl("req", "-x509", *curve, "-nodes", "-days", 2, "-keyout", ca_key,
            "-out", ca, "-subj", "/CN=mailtwin test authority")
    openssl("req", *curve, "-nodes", "-keyout", key, "-out", request,
            "-subj", "/CN=localhost")
    extra.write_text(f"subjectAltName={','.join(names)}\n")
    openssl("x509", "-req", "-in", request, "-CA", ca, "-CAkey", ca_key,
            "-CAcreateserial", "-days", days, "-out", certificate,
            "-extfile", extra)
    for path in (ca, certificate, key):
        path.chmod(0o644)
    return ca, certificate, key


def make_self_signed(directory):
    """Returns (certificate, key): nobody vouches for it."""
    certificate, key = directory / "self.pem", directory / "self.key"
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt",
            "ec_paramgen_curve:P-256", "-nodes", "-days", 2, "-keyout", key,
            "-out", certificate, "-subj", "/CN=localhost",
            "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1")
    return certificate, key
