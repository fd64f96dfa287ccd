# One image for every process: `tocsin up` in a single container, or api, worker and migrate as docker-compose.yml has it.
FROM python:3.11-slim AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/tocsin
WORKDIR /src
# The dependencies come first: their layer is kept as long as the lock stays the same.
COPY requirements.lock ./
RUN /opt/tocsin/bin/pip install --require-hashes -r requirements.lock
COPY . .
RUN /opt/tocsin/bin/pip install --no-deps .

FROM python:3.11-slim
RUN useradd --system --uid 10001 --home-dir /var/lib/tocsin --shell /usr/sbin/nologin tocsin \
    && install --directory --mode=0700 --owner=tocsin --group=tocsin /var/lib/tocsin
COPY --from=build /opt/tocsin /opt/tocsin
ENV PATH=/opt/tocsin/bin:$PATH PYTHONUNBUFFERED=1 TOCSIN_DATA_DIR=/var/lib/tocsin TOCSIN_HOST=0.0.0.0
USER tocsin
EXPOSE 8000
ENTRYPOINT ["tocsin"]
CMD ["up"]
