# Builds a static binary, and an image that holds it, CA certificates and nothing else.
#
#   docker build --build-arg REVISION="$(git rev-parse --short=12 HEAD)" -t csp-invitations-exporter .
#
# For amd64 and arm64, each built on a machine (or an emulation) of its own kind: docker buildx build --platform linux/amd64,linux/arm64 .
ARG RUST_IMAGE=rust:1.95-slim-bookworm

FROM ${RUST_IMAGE} AS build
# The target is named, so that its flags are not those of build scripts and macros, which can't be static.
ENV RUSTFLAGS="-C target-feature=+crt-static" CARGO_TERM_COLOR=never
RUN command -v cc >/dev/null && test -e /etc/ssl/certs/ca-certificates.crt \
    || (apt-get update && apt-get install -y --no-install-recommends gcc libc6-dev ca-certificates && rm -rf /var/lib/apt/lists/*)
# Another profile of Cargo.toml is built faster, and runs slower: release.
ARG PROFILE=dist
WORKDIR /src

# The dependencies, in a layer of their own: rebuilt only when these change. Benches are not built, but the manifest names them.
COPY Cargo.toml Cargo.lock ./
COPY benches benches
COPY crates/csp-api/Cargo.toml crates/csp-api/
COPY crates/csp-simulator/Cargo.toml crates/csp-simulator/
COPY crates/exporter-toolkit/Cargo.toml crates/exporter-toolkit/
COPY crates/file-reader/Cargo.toml crates/file-reader/
COPY crates/invitations/Cargo.toml crates/invitations/
COPY crates/pem-text/Cargo.toml crates/pem-text/
RUN for package in . crates/*; do mkdir "$package/src" && touch "$package/src/lib.rs"; done \
    && echo 'fn main() {}' | tee src/main.rs >build.rs \
    && cargo build --locked --profile="$PROFILE" --target "$(rustc --print host-tuple)" \
    && rm -r src crates build.rs

COPY build.rs ./
COPY templates templates
COPY crates crates
COPY src src
ARG REVISION=unknown
# The modification times of the copied files are older than the stand-ins that were built: touch them.
RUN export CSP_EXPORTER_REVISION="$REVISION" host="$(rustc --print host-tuple)" \
    && touch build.rs src/main.rs src/lib.rs crates/*/src/lib.rs \
    && cargo build --locked --profile="$PROFILE" --target "$host" \
    && mkdir -p /out/etc/ssl/certs /state \
    && cp "target/$host/$PROFILE/csp-invitations-exporter" /out/ \
    && cp -L /etc/ssl/certs/ca-certificates.crt /out/etc/ssl/certs/ \
    && if readelf -l /out/csp-invitations-exporter | grep -q INTERP; then echo 'not static' >&2; exit 1; fi

FROM scratch
ARG REVISION=unknown
ARG VERSION=0.1.0
LABEL org.opencontainers.image.title="csp-invitations-exporter" \
    org.opencontainers.image.description="Prometheus exporter for organization invitations of VMware Cloud Services" \
    org.opencontainers.image.licenses="Apache-2.0" \
    org.opencontainers.image.source="https://github.com/example/csp-invitations-exporter" \
    org.opencontainers.image.version="${VERSION}" \
    org.opencontainers.image.revision="${REVISION}"
COPY --from=build /out/ /
# Said here, because some builders lose the owners of what they copy.
COPY --from=build --chown=65532:65532 /state /state
# A number: Kubernetes can tell that it is not root.
USER 65532:65532
EXPOSE 10094
# For --state.dir=/state.
VOLUME ["/state"]
# So that `docker exec` and `kubectl exec` find it by its name.
ENV PATH=/
ENV SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt
# Long lists go back to the system once they are counted: the allocator would keep more with each poll.
ENV MALLOC_MMAP_THRESHOLD_=131072
# Asks where CSP_EXPORTER_WEB_LISTEN_ADDRESS or CSP_EXPORTER_WEB_PROBE_LISTEN_ADDRESS says, else port 10094.
HEALTHCHECK --interval=15s --timeout=6s --start-period=10s --retries=3 CMD ["/csp-invitations-exporter", "healthcheck"]
ENTRYPOINT ["/csp-invitations-exporter"]
