# The images of PushFit. docs/containers.md says how they are run.
#
#     docker build --tag pushfit-trainer .                           (or --target trainer)
#     docker build --target generator --tag pushfit-generator .      no TensorFlow in it
#     docker build --target serve --tag pushfit-serve .
#
# Each target is a stage of libraries with the source on top, so that a change of the source installs
# nothing anew. The trainer's libraries stand on the generator's: built together, they have the same
# versions, without which a trainer turns generators away.

ARG BASE=python:3.11.13-slim-bookworm

# -- libraries --------------------------------------------------------------------------------------
FROM ${BASE} AS generator-libraries

# HOME: any user may write to /tmp, which is also all that a read-only root needs besides its mounts.
# PUSHFIT_HEALTH: where each process notes that it works, for HEALTHCHECK.
ENV HOME=/tmp \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_ROOT_USER_ACTION=ignore \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PUSHFIT_HEALTH=/tmp/pushfit-health

# A volume takes owner and mode from the folder that it is mounted on: any --user may write to runs.
WORKDIR /pushfit
RUN useradd --uid 10001 --no-create-home --home-dir /tmp pushfit \
 && install -d -o pushfit -g pushfit -m 1777 runs

# Of the package, only what names its libraries and its version: the source is laid over it below, and
# an empty README.md does until then. Without numpy's tests, and what zstandard has for other Pythons.
COPY pyproject.toml LICENSE constraints.txt ./
COPY lib/pushfit/__init__.py lib/pushfit/
RUN touch README.md \
 && pip install -e . -c constraints.txt \
 && find /usr/local/lib \( \( -path '*/tests/*' -name 'test_*' \) \
        -o \( -path '*/zstandard/*' -name '_cffi*.so' \) \) -delete

FROM generator-libraries AS trainer-libraries

# The extra `gpu` brings NVIDIA's libraries, so that the host needs the driver alone. Several may be
# named: --build-arg EXTRAS=train,mlflow.
ARG EXTRAS=train
RUN pip install -e ".[${EXTRAS}]" -c constraints.txt

FROM trainer-libraries AS serve-libraries

RUN pip install -e '.[serve]' -c constraints.txt

# -- the source -------------------------------------------------------------------------------------
FROM generator-libraries AS source

COPY pyproject.toml README.md LICENSE CHANGELOG.md requirements.txt constraints.txt ./
COPY bench bench
COPY cfg cfg
COPY lib lib
COPY dockerlinks dockerlinks
COPY examples examples
COPY generator_zmq.py train_zmq.py sink_zmq.py predict.py serve.py ./
RUN python -m compileall -q bench cfg lib examples

# In each target, `container` is a mark for pushfit/host_facts.py: not every engine leaves one of its own.

# -- a generator ------------------------------------------------------------------------------------
FROM generator-libraries AS generator

COPY --from=source /pushfit ./
ENV container=oci PUSHFIT_IMAGE=generator
USER 10001:10001
# The words of a host: docker run … generator_zmq.py --connect …, docker run … -m pushfit config;
# or by the name of the program: docker run --entrypoint pushfit … config
ENTRYPOINT ["python"]
CMD ["generator_zmq.py"]
HEALTHCHECK --interval=15s --timeout=10s --start-period=60s \
    CMD ["python", "-m", "pushfit", "health", "/tmp/pushfit-health"]

# -- a trained run, over HTTP -----------------------------------------------------------------------
FROM serve-libraries AS serve

COPY --from=source /pushfit ./
ENV container=oci PUSHFIT_IMAGE=serve PUSHFIT_HOST=0.0.0.0
EXPOSE 8000
USER 10001:10001
ENTRYPOINT ["python"]
CMD ["serve.py"]
HEALTHCHECK --interval=15s --timeout=10s --start-period=60s \
    CMD ["sh", "-c", "exec python -m pushfit health http://127.0.0.1:${PUSHFIT_PORT:-${PORT:-8000}}/healthz"]

# -- the trainer, and what else takes a stream; what is built where no target is named ---------------
FROM trainer-libraries AS trainer

COPY --from=source /pushfit ./
ENV container=oci PUSHFIT_IMAGE=trainer
# Control and samples. Generators on other hosts need both, published under these very numbers.
EXPOSE 12001 12002
USER 10001:10001
ENTRYPOINT ["python"]
CMD ["train_zmq.py"]
HEALTHCHECK --interval=15s --timeout=10s --start-period=60s \
    CMD ["python", "-m", "pushfit", "health", "/tmp/pushfit-health"]
