"""Promise 4: whoever ticks, and however many at once, each job runs once a local date."""

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

from tests.jobs.harness import JobHarness, at

WORKERS = 6
AUTUMN = at("2024-09-15")


def tell_of_a_crowd(jobs: JobHarness) -> None:
    jobs.add_alice(AUTUMN)
    with jobs.storing(AUTUMN) as people:
        for number in range(12):
            people.add(f"Carol{number}", ["NCIMHA IFS 2020-01-01", "CT-AIMH IFS 2021-01-01"])


def run_at_once(url: str, instants: list[datetime]) -> Counter[str]:
    """Let each worker, with an engine of its own, do all that is due; what was told as done."""
    # With a timeout, so that one worker's failure fails the test instead of holding up the rest.
    barrier = threading.Barrier(WORKERS, timeout=60)

    def work() -> list[str]:
        jobs = JobHarness(url)
        told = []
        try:
            for instant in instants:
                barrier.wait()
                told += [f"{r.job} {r.association} {r.due.local_date}" for r in jobs.run(instant)]
        except BaseException:
            barrier.abort()
            raise
        finally:
            jobs.engine.dispose()
        return told

    with ThreadPoolExecutor(WORKERS) as pool:
        workers = [pool.submit(work) for _ in range(WORKERS)]
        return Counter(line for worker in workers for line in worker.result())


def test_many_at_once_do_each_job_once(jobs: JobHarness) -> None:
    tell_of_a_crowd(jobs)
    instants = [at("2024-12-01"), at("2024-12-02"), at("2024-12-02") + timedelta(minutes=1)]
    told = run_at_once(jobs.url, instants)
    assert set(told.values()) == {1}
    # Two associations, two days; the digests are for November 25 and for December 2.
    assert len(told) == 2 * (2 + 2 + 2 + 2)
    sent = jobs.decisions(outcome="sent")
    assert {d["message_id"] for d in sent} == {mail.message_id for mail in jobs.mails()}
    assert Counter(mail.recipient for mail in jobs.mails()).most_common(1)[0][1] == 1
    assert len(jobs.mails()) == 13
    digests = Counter((m.recipient, m.dedupe_key) for m in jobs.mails("digest"))
    assert set(digests.values()) == {1}
    assert len(digests) == 4
    for job in ("evaluate", "notices", "references"):
        days = jobs.runs(job, "NCIMHA")
        assert len(days) == len(set(days)) == 2
