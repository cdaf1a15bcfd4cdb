"""A real S3 protocol server on loopback (moto's), and a line to it that can be cut."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.request import Request, urlopen

import boto3


@dataclass(frozen=True)
class Server:
    """An S3 server in a process of its own, with one bucket."""

    url: str
    process: subprocess.Popen
    bucket: str = "vdcast"

    def client(self, service: str = "s3"):
        keys = {"aws_access_key_id": "root", "aws_secret_access_key": "root"}
        return boto3.client(service, endpoint_url=self.url, region_name="us-east-1", **keys)

    def keys(self) -> set[str]:
        """The names of all objects in the bucket."""
        pages = self.client().get_paginator("list_objects_v2").paginate(Bucket=self.bucket)
        return {entry["Key"] for page in pages for entry in page.get("Contents", [])}

    def user(self, *actions: str) -> dict[str, str]:
        """Keys of one who may do ``actions`` and nothing else; from now on the server asks everybody for theirs."""
        allowed = {"Effect": "Allow", "Action": [f"s3:{action}" for action in actions], "Resource": "*"}
        policy = {"Version": "2012-10-17", "Statement": [allowed]}
        iam = self.client("iam")
        iam.create_user(UserName="user")
        iam.put_user_policy(UserName="user", PolicyName="policy", PolicyDocument=json.dumps(policy))
        key = iam.create_access_key(UserName="user")["AccessKey"]
        ask = Request(
            f"{self.url}/moto-api/reset-auth",
            data=b"0",
            headers={"Content-Type": "text/plain"},
            method="POST",
        )
        urlopen(ask).close()
        return {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}

    def kill(self) -> None:
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def server() -> Iterator[Server]:
    """A server that answers, with an empty bucket."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    for line in process.stderr:
        if "Running on" in line:
            break
    else:
        raise RuntimeError("moto's server ended before it listened")
    threading.Thread(target=process.stderr.read, daemon=True).start()  # a full pipe would stop it
    s3 = Server(f"http://127.0.0.1:{port}", process)
    s3.client().create_bucket(Bucket=s3.bucket)
    try:
        yield s3
    finally:
        s3.kill()


class Line:
    """A TCP line to ``server`` that goes dead for good when a request that holds ``last`` is sent over it."""

    def __init__(self, server: Server, last: bytes):
        self.to = ("127.0.0.1", int(server.url.rsplit(":", 1)[1]))
        self.last, self.cut = last, False
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self.listener.accept()
                if self.cut:
                    near.close()
                    continue
                far = socket.create_connection(self.to)
                threading.Thread(target=self.carry, args=(near, far), daemon=True).start()
                threading.Thread(target=self.carry, args=(far, near), daemon=True).start()

    def carry(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError), source, sink:
            while data := source.recv(4096):
                self.cut = self.cut or self.last in data
                if self.cut:
                    break
                sink.sendall(data)
            for end in (source, sink):
                end.shutdown(socket.SHUT_RDWR)
