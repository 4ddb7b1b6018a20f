FROM python:3.12-slim AS build
WORKDIR /src
COPY . .
RUN --mount=type=cache,target=/root/.cache/pip pip wheel --root-user-action=ignore --wheel-dir /wheels ".[s3,passkeys,oidc]"

FROM python:3.12-slim
RUN useradd --system --uid 10001 --create-home --home-dir /data liveserver
RUN --mount=type=bind,from=build,source=/wheels,target=/wheels \
    pip install --no-cache-dir --no-index --root-user-action=ignore --find-links /wheels "liveserver[s3,passkeys,oidc]"
ENV PYTHONUNBUFFERED=1
# The embedded database, when no other is set, is a file in the working directory, and pictures are beside it.
WORKDIR /data
VOLUME /data
USER liveserver
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/readyz', timeout=4)"]
ENTRYPOINT ["liveserver"]
CMD ["serve", "--host", "0.0.0.0"]
