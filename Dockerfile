# The daemon in a container: no root, nothing to write but /var/lib/siaga112.
FROM debian:bookworm-slim AS build
RUN apt-get update && apt-get install -y --no-install-recommends python3 python3-venv && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY pyproject.toml constraints.txt README.md ./
COPY src src
COPY asterisk asterisk
COPY config config
RUN python3 -m venv /opt/siaga112 && /opt/siaga112/bin/pip install --no-cache-dir -c constraints.txt .

FROM debian:bookworm-slim
RUN apt-get update && apt-get install -y --no-install-recommends python3 redis-server && rm -rf /var/lib/apt/lists/* \
    && install -d -o 10112 -g 10112 /var/lib/siaga112
COPY --from=build /opt/siaga112 /opt/siaga112
COPY config/siaga112.toml /etc/siaga112/siaga112.toml
USER 10112:10112
VOLUME /var/lib/siaga112
EXPOSE 4573 9112
ENTRYPOINT ["/opt/siaga112/bin/siaga112"]
CMD ["run"]
