# The daemon in a container: a numeric user, a root to be mounted read-only, nothing to write but /var/lib/siaga112.
# make image builds it; compose.yaml runs it.
ARG BASE=debian:bookworm-slim

FROM ${BASE} AS build
RUN apt-get update && apt-get install -y --no-install-recommends python3 python3-venv
WORKDIR /src
COPY . .
# Behind a proxy with a certificate of its own: --secret id=ca,src=/etc/ssl/certs/ca-certificates.crt
RUN --mount=type=secret,id=ca \
    if [ -f /run/secrets/ca ]; then export PIP_CERT=/run/secrets/ca; fi; \
    python3 -m venv /opt/siaga112 \
    && export PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 \
    && /opt/siaga112/bin/pip install --require-hashes -r requirements.lock -r requirements-build.lock \
    && /opt/siaga112/bin/pip install --no-deps --no-build-isolation . \
    && /opt/siaga112/bin/pip uninstall -qy hatchling packaging pathspec pluggy tomlkit trove-classifiers pip setuptools

FROM ${BASE}
RUN apt-get update \
    && apt-get install -y --no-install-recommends python3 redis-server \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/* \
    && install -d -o 10112 -g 10112 -m 700 /var/lib/siaga112
COPY --from=build /opt/siaga112 /opt/siaga112
COPY config/siaga112.toml /etc/siaga112/siaga112.toml
ARG VERSION=
ARG REVISION=
ARG CREATED=
LABEL org.opencontainers.image.title="siaga112" \
      org.opencontainers.image.description="Screens prank callers of an emergency line on Asterisk; when in doubt, the call goes through." \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.vendor="The siaga112 team" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION" \
      org.opencontainers.image.created="$CREATED"
ENV PATH=/opt/siaga112/bin:$PATH PYTHONDONTWRITEBYTECODE=1
USER 10112:10112
VOLUME /var/lib/siaga112
EXPOSE 4573 9112
HEALTHCHECK --interval=10s --timeout=3s --start-period=15s \
    CMD ["python3", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:9112/healthz', timeout=2)"]
ENTRYPOINT ["siaga112"]
CMD ["run"]
