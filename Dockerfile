# syntax=docker/dockerfile:1
# One image for every process: web, waiting, worker, sweeper, beat, migrate. Health checks are in docker-compose.yml, since they
# differ by process.

FROM python:3.11-slim AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv /venv
ENV PATH=/venv/bin:$PATH
WORKDIR /src
# Dependencies first: they change less often than the code. What is downloaded is what constraints.txt names.
COPY pyproject.toml constraints.txt README.md LICENSE ./
RUN mkdir hitl templates && touch hitl/__init__.py \
    && pip install --constraint constraints.txt ".[postgres,server,slack]" \
    && pip uninstall --yes hitl-django
COPY hitl hitl
COPY templates templates
RUN pip install --no-deps .
# The static files are the same everywhere, so they are part of the image. The key is only for this line: nothing is
# signed with it, and with one given the settings write none.
COPY manage.py ./
COPY project project
RUN SECRET_KEY=only-to-collect-static HITL_DATA_DIR=/var/lib/hitl python manage.py collectstatic --noinput

FROM python:3.11-slim
ENV PATH=/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    DJANGO_SETTINGS_MODULE=project.settings \
    HITL_DATA_DIR=/var/lib/hitl
RUN useradd --system --uid 10001 --home-dir /nonexistent --no-create-home --shell /usr/sbin/nologin hitl
COPY --from=build /venv /venv
COPY --from=build /var/lib/hitl/static /var/lib/hitl/static
WORKDIR /app
COPY manage.py ./
COPY project project
USER 10001
EXPOSE 8000
CMD ["gunicorn", "project.wsgi:application", "--bind", "0.0.0.0:8000", "--worker-class", "gthread", "--workers", "2", "--threads", "8", "--worker-tmp-dir", "/dev/shm", "--no-control-socket", "--access-logfile", "-"]
