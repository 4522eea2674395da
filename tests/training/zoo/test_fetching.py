"""ImageNet weights: found in Keras's cache, fetched, or said why not. Nothing leaves this host."""

import http.server
import logging
import socket
import threading
import time
import urllib.request

import keras
import numpy as np
import pytest

from pushfit.errors import ConfigError
from pushfit.training import models
from pushfit.training.zoo import fetching

FILE = "mobilenet_1_0_224_tf_no_top.h5"  # Keras asks for no checksum of it


@pytest.fixture
def cache(monkeypatch, tmp_path):
    """Keras's folder, which is empty."""
    monkeypatch.setattr(keras.src.backend.config, "_KERAS_DIR", str(tmp_path))
    return tmp_path / "models"


@pytest.fixture
def proxy(monkeypatch, cache):
    """A proxy through which all fetches go, that accepts connections and never answers."""
    monkeypatch.setattr(urllib.request, "_opener", None)  # urllib keeps proxies once it knows them
    with socket.create_server(("127.0.0.1", 0)) as server:
        for name in ("https_proxy", "HTTPS_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{server.getsockname()[1]}")
        for name in ("no_proxy", "NO_PROXY"):
            monkeypatch.delenv(name, raising=False)
        yield server


def build(weights, side=32):
    return models.build("mobilenet", patch=side, classes=3, weights=weights)


def test_a_silent_server_is_given_up_and_the_way_out_is_told(proxy, monkeypatch):
    monkeypatch.setattr(fetching, "SILENT_SECONDS", 0.3)
    with pytest.raises(ConfigError, match=rf"timed out.*/models/{FILE}") as e:
        build("imagenet")
    assert "--weights FILE" in str(e.value)
    assert "--weights none" in str(e.value)
    assert socket.getdefaulttimeout() is None


def test_no_network_is_told(proxy):
    proxy.close()  # refused at once
    with pytest.raises(ConfigError, match=rf"refused.*put it to .*{FILE}"):
        build("imagenet", 48)


def test_weights_that_are_there_are_what_a_run_starts_from(proxy, cache, caplog):
    proxy.close()
    cache.mkdir()
    body = keras.applications.MobileNet(include_top=False, weights=None, input_shape=(32, 32, 3))
    body.set_weights([np.full(each.shape, 0.25) for each in body.get_weights()])
    body.save(cache / FILE)  # as Keras's server has it
    with caplog.at_level(logging.INFO, "pushfit.trainer"):
        model = build("auto")
    assert "Weights   of ImageNet" in caplog.text
    inner = next(layer for layer in model.layers if isinstance(layer, keras.Model))
    assert all((each == 0.25).all() for each in inner.get_weights())


def test_weights_that_cannot_be_had_are_random_and_a_line_says_so(proxy, cache, caplog):
    proxy.close()
    with caplog.at_level(logging.INFO, "pushfit.trainer"):
        build("auto")
    (line,) = [each.message for each in caplog.records if each.message.startswith("Weights")]
    assert "random: those of ImageNet cannot be had quickly" in line and "refused" in line
    assert not list(cache.iterdir())


def test_a_server_that_is_silent_costs_seconds_at_most(proxy, monkeypatch, caplog):
    monkeypatch.setattr(fetching, "QUICK_SECONDS", 0.1)
    monkeypatch.setattr(fetching, "QUICK_SILENT_SECONDS", 0.3)
    with caplog.at_level(logging.INFO, "pushfit.trainer"):
        build("auto")
    assert "did not arrive within 0.1 seconds" in caplog.text


def test_a_model_without_such_weights_says_so(caplog):
    with caplog.at_level(logging.INFO, "pushfit.trainer"):
        models.build("smallcnn", patch=8, classes=3, weights="auto")
    assert "Weights   random: smallcnn has no ImageNet weights" in caplog.text


@pytest.fixture
def server():
    """Sends /whole in two parts, /short cut off, and of /slow a byte at a time."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            if self.path == "/none":
                self.send_error(404)
                return
            self.send_response(200)
            self.send_header("Content-Length", "8")
            self.end_headers()
            for part in {"/whole": [b"1234", b"5678"], "/short": [b"1234"]}.get(self.path, ()):
                self.wfile.write(part)
            while self.path == "/slow" and not stopped.wait(0.02):
                self.wfile.write(b"")  # the headers have come; the file never does

        def log_message(self, *words):
            pass

    stopped = threading.Event()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as made:
        thread = threading.Thread(target=made.serve_forever, args=(0.02,))
        thread.start()
        yield f"http://127.0.0.1:{made.server_address[1]}"
        stopped.set()
        made.shutdown()
        thread.join()


def test_a_quick_fetch_brings_the_file(server, tmp_path):
    fetching.retrieve(f"{server}/whole", str(tmp_path / "file"))
    assert (tmp_path / "file").read_bytes() == b"12345678"


@pytest.mark.parametrize(
    ("path", "says"), [("short", "4 bytes too early"), ("slow", "0.2 sec"), ("none", "404")]
)
def test_what_does_not_arrive_leaves_nothing_behind(server, tmp_path, monkeypatch, path, says):
    monkeypatch.setattr(fetching, "QUICK_SECONDS", 0.2 if path == "slow" else 10.0)
    monkeypatch.setattr(fetching, "QUICK_SILENT_SECONDS", 0.5)
    with pytest.raises(OSError, match=says):
        fetching.retrieve(f"{server}/{path}", str(tmp_path / "file"))
    end = time.monotonic() + 5
    while list(tmp_path.iterdir()) and time.monotonic() < end:  # a late thread tidies up
        time.sleep(0.02)
    assert not list(tmp_path.iterdir())
