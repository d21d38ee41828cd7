"""nginx, HAProxy, Envoy and Traefik in front of an exporter, each with its configuration of examples/proxies."""

from servers import Nginx, Server, example, packaged


class HAProxy(Server):
    """HAProxy."""

    def configure(self, text):
        (self.folder / "haproxy.cfg").write_text(text)

    def command(self):
        return ["haproxy", "-db", "-f", f"{self.folder}/haproxy.cfg"]


class Envoy(Server):
    """Envoy."""

    def configure(self, text):
        (self.folder / "envoy.yaml").write_text(text)

    def command(self):
        return [packaged("envoy"), "-c", f"{self.folder}/envoy.yaml", "--disable-hot-restart", "--concurrency", "1", "--log-level", "warn"]


class Traefik(Server):
    """Traefik."""

    def configure(self, text):
        (self.folder / "traefik-routes.yaml").write_text(text)
        (self.folder / "traefik.yaml").write_text(example("proxies/traefik.yaml", {":9443": f"127.0.0.1:{self.port}", "/etc/traefik": self.folder}))

    def command(self):
        return [packaged("traefik"), f"--configFile={self.folder}/traefik.yaml"]


def reverse_proxies(folder, exporter):
    """Each proxy with its recipe, addresses and folders put in."""
    tls, upstream = {"/etc/tls": folder}, {"exporter.example.com:10094": f"127.0.0.1:{exporter}"}
    for kind, file, listen, to in (
        (Nginx, "nginx.conf", {"listen 9443": "listen 127.0.0.1:{}"}, upstream),
        (HAProxy, "haproxy.cfg", {"bind :9443": "bind 127.0.0.1:{}"}, upstream),
        (Envoy, "envoy.yaml", {'"::", ipv4_compat: true, port_value: 9443': "127.0.0.1, port_value: {}"},
         {"address: exporter.example.com, port_value: 10094": f"address: 127.0.0.1, port_value: {exporter}"}),
        (Traefik, "traefik-routes.yaml", {}, upstream),
    ):
        server = kind(kind.__name__.lower())
        server.configure(example(f"proxies/{file}", {**{there: here.format(server.port) for there, here in listen.items()}, **to, **tls}))
        yield server
