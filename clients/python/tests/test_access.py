"""Who may talk to whom: tokens, TLS, and client certificates, against a server's own flags."""

import subprocess
from pathlib import Path

import pytest
from conftest import NUM_SAMPLES, StartServer, run_millrace, stream_of

import millrace


def new_token(name: str, tokens: Path) -> str:
    """Adds its line to the file."""
    return run_millrace("token", "new", name, "--tokens", str(tokens)).strip()


class TestTokens:
    @pytest.fixture
    def tokens(self, tmp_path):
        return tmp_path / "tokens.txt"

    def test_who_has_one_is_served(self, start_server: StartServer, tokens):
        token = new_token("trainer", tokens)
        other = new_token("another", tokens)
        server = start_server("--tokens", str(tokens))
        for right in (token, other):
            with millrace.connect(server.address, token=right) as client:
                assert client.dataset("noise", "train").num_samples == NUM_SAMPLES
                assert len(list(client.stream("noise", "train", 50, epochs=1, connections=2))) == 4

    def test_who_has_none_or_another_is_told_what_to_do_without_a_second_try(self, start_server: StartServer, tokens):
        new_token("trainer", tokens)
        server = start_server("--tokens", str(tokens))
        tries = []
        for token, message in ((None, "wants a token"), ("another", "does not know the token")):
            client = millrace.connect(server.address, token=token, on_reconnect=tries.append)
            for ask in (client.datasets, lambda client=client: client.stream("noise", "train", 8)):
                with pytest.raises(
                    millrace.MillraceError, match=rf"server {server.address}: .*{message}.*connect\(token="
                ) as caught:
                    ask()
                assert caught.value.code == "ERR_UNAUTHENTICATED"
        assert tries == []

    def test_one_that_is_taken_away_ends_its_streams_and_no_others(self, start_server: StartServer, tokens):
        kept = new_token("another", tokens)
        lines = tokens.read_text()
        token = new_token("trainer", tokens)
        server = start_server("--tokens", str(tokens))
        with (
            millrace.connect(server.address, token=token) as client,
            millrace.connect(server.address, token=kept) as other,
        ):
            # The other one is of more than fits into the buffers between a server and its client.
            stream, others = stream_of(client, epochs=None), stream_of(other, epochs=100)
            next(others)
            # In one step: a server that looked at a file that is being written would see one without a line, which lets nobody in.
            (tokens.parent / "fewer").write_text(lines)
            (tokens.parent / "fewer").replace(tokens)
            with pytest.raises(millrace.MillraceError, match="does not know the token") as caught:
                for _ in stream:
                    pass
            assert caught.value.code == "ERR_UNAUTHENTICATED"
            assert len(list(others)) == 100 * (NUM_SAMPLES // 8) - 1

    @pytest.mark.parametrize("token", ["", "abc\n", "two words", "schlüssel"])
    def test_what_cannot_be_one_is_refused_here(self, token):
        with pytest.raises(millrace.UsageError, match="token: expected what `millrace token new` printed"):
            millrace.connect("127.0.0.1:1", token=token)


@pytest.fixture(scope="module")
def pem(tmp_path_factory: pytest.TempPathFactory):
    """PEM files by name: authorities `ca` and `other`, and what `ca` vouches for, `server` (127.0.0.1) and `client`."""
    folder = tmp_path_factory.mktemp("pem")

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, stderr=subprocess.DEVNULL)

    new_key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    for name in ("ca", "other"):
        openssl(
            *("req", "-x509", *new_key, "-keyout", f"{name}.key", "-out", f"{name}.pem", "-subj", f"/CN={name}"),
            *("-days", "2"),
        )
    (folder / "names").write_text("subjectAltName=IP:127.0.0.1\n")
    for name in ("server", "client"):
        openssl("req", *new_key, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        openssl(
            *("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial"),
            *("-extfile", "names", "-days", "2", "-out", f"{name}.pem"),
        )
    return folder


class TestTls:
    @pytest.fixture
    def flags(self, pem):
        return "--tls-cert", str(pem / "server.pem"), "--tls-key", str(pem / "server.key")

    @pytest.fixture
    def tls(self, pem):
        """Makes a Tls of names of files."""

        def of(authority: str | None = None, own: str | None = None) -> millrace.Tls:
            return millrace.Tls(
                None if authority is None else (pem / f"{authority}.pem").read_bytes(),
                None if own is None else (pem / f"{own}.pem").read_bytes(),
                None if own is None else (pem / f"{own}.key").read_bytes(),
            )

        return of

    @pytest.fixture
    def tls_server(self, start_server: StartServer, flags):
        return start_server(*flags)

    def test_with_the_authority_batches_come_also_with_a_token(self, start_server: StartServer, flags, tls, tmp_path):
        tokens = tmp_path / "tokens.txt"
        token = new_token("trainer", tokens)
        server = start_server(*flags, "--tokens", str(tokens))
        with millrace.connect(server.address, tls=tls("ca"), token=token) as client:
            assert len(list(client.stream("noise", "train", 50, epochs=1, connections=2))) == 4
        with pytest.raises(millrace.MillraceError, match="wants a token"):
            millrace.connect(server.address, tls=tls("ca")).datasets()

    @pytest.mark.parametrize("authority", ["other", None])
    def test_a_server_that_is_not_trusted_is_not_tried_again(self, tls_server, tls, authority):
        client = millrace.connect(tls_server.address, tls=tls(authority), give_up_seconds=60)
        message = rf"tls: server {tls_server.address}: its certificate is not vouched for .*Tls\(root_certificates=…\)"
        with pytest.raises(millrace.UsageError, match=message):
            client.datasets()

    def test_a_server_by_another_name_than_its_certificates_is_not_tried_again(
        self, start_server: StartServer, flags, tls
    ):
        server = start_server(*flags, "--host", "127.0.0.2")
        client = millrace.connect(server.address, tls=tls("ca"), give_up_seconds=60)
        with pytest.raises(millrace.UsageError, match=f"tls: server {server.address}: .*is for another name"):
            client.datasets()

    def test_one_without_tls_is_named(self, server, tls):
        client = millrace.connect(server.address, tls=tls("ca"), give_up_seconds=60)
        with pytest.raises(millrace.UsageError, match=r"tls: .*speaks no TLS; leave tls out"):
            client.datasets()

    def test_a_client_without_tls_is_told_so(self, tls_server):
        client = millrace.connect(tls_server.address, give_up_seconds=0)
        with pytest.raises(millrace.MillraceError, match=r"--tls-cert, pass tls=Tls") as caught:
            client.datasets()
        assert caught.value.code == "ERR_UNAVAILABLE"

    def test_a_client_shows_a_certificate_where_one_is_asked_for(self, start_server: StartServer, flags, pem, tls):
        server = start_server(*flags, "--tls-client-ca", str(pem / "ca.pem"))
        with millrace.connect(server.address, tls=tls("ca", "client")) as client:
            assert len(list(client.stream("noise", "train", 50, epochs=1))) == 4
        for own, message in ((None, r"pass a client's certificate"), ("other", "may not be the authority")):
            with pytest.raises(millrace.MillraceError, match=f"--tls-client-ca.*{message}|{message}.*--tls-client-ca"):
                millrace.connect(server.address, tls=tls("ca", own), give_up_seconds=0).datasets()

    @pytest.mark.parametrize(
        ("fields", "message"),
        [
            ({"certificate": b"-----BEGIN CERTIFICATE-----"}, "tls: certificate and private_key go together"),
            ({"private_key": b"-----BEGIN PRIVATE KEY-----"}, "tls: certificate and private_key go together"),
            ({"root_certificates": b"ca.pem"}, "tls.root_certificates: expected the content of a PEM file"),
            ({"root_certificates": "-----BEGIN CERTIFICATE-----"}, "tls.root_certificates: .*as bytes"),
        ],
    )
    def test_what_is_no_pem_is_named(self, fields, message):
        with pytest.raises(millrace.UsageError, match=message):
            millrace.Tls(**fields)

    def test_pem_that_holds_nothing_is_named(self, tls_server):
        broken = millrace.Tls(b"-----BEGIN CERTIFICATE-----\nabc\n-----END CERTIFICATE-----\n")
        client = millrace.connect(tls_server.address, tls=broken, give_up_seconds=60)
        with pytest.raises(millrace.UsageError, match=r"tls: .*no certificate or key that can be used"):
            client.datasets()
