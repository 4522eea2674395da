# shellcheck shell=bash
# Shared by trainer.sbatch and generators.sbatch, which source it: what a job checks, and what it
# makes of Slurm's signals.
#
#   USR1   the time is nearly over (--signal): the program ends, the job goes back into the queue
#   TERM   scancel, preemption, requeue: the program ends; Slurm knows what becomes of the job
#
# The program runs as a child, since a shell hears nothing while it waits for one in the foreground.
# It ends in order on TERM: a trainer saves its model, a generator hands back what it holds.

PYTHON=${PYTHON:-.venv/bin/python}
INTERRUPTED=130 # what the programs exit with when they were told to end

child='' told='' again=''
trap 'told=yes; stop' TERM
trap 'told=yes again=yes; stop' USR1

die() { # MESSAGE, to the job's output; for what the user can mend
    echo "error: $*" >&2
    exit 2
}

check_nodes() {
    [[ ${SLURM_JOB_NUM_NODES:-1} == 1 ]] ||
        die "this job has $SLURM_JOB_NUM_NODES nodes and would use the first of them: leave out" \
            "--nodes, and ask for more generators with --array"
}

check_python() { # WHAT TO INSTALL
    [[ -x $(command -v "$PYTHON") ]] ||
        die "there is no $PYTHON on $(hostname): make it once with \`python3 -m venv .venv\` and" \
            "\`.venv/bin/pip install -e '$1' -c constraints.txt\` in $PWD, or set PYTHON to another"
}

start() { # COMMAND …
    [[ $told ]] && leave "$INTERRUPTED"
    "$@" &
    child=$!
}

stop() { # end the child, whose end is waited for elsewhere; without one, leave at once
    if [[ $child ]]; then
        kill -TERM "$child" 2>/dev/null || true
    else
        leave "$INTERRUPTED"
    fi
}

ended() { # wait for the child's end; returns its exit code
    while kill -0 "$child" 2>/dev/null; do
        wait "$child" || true # a signal ends this wait, not the child
    done
    local code=0
    wait "$child" || code=$?
    child=''
    return "$code"
}

leave() { # CODE: end the job; where only its time is over, begin it again
    trap '' TERM USR1 # Slurm tells a job that it is requeued, too
    if [[ $again && $1 == "$INTERRUPTED" ]]; then
        echo "the time of this job is over: back into the queue" >&2
        scontrol requeue "$SLURM_JOB_ID" ||
            echo "error: it could not be requeued: submit it again, it goes on by itself" >&2
    fi
    exit "$1"
}
