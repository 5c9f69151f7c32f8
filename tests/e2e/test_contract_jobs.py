"""The life of a job by the HTTP contract: states, time to live, acks, keys and waiting."""

import concurrent.futures
import re
import threading
import time
import uuid
from datetime import timedelta

import httpx2
import psycopg

from tests.e2e.contract import JOB, MIB, ORDERS, instant, problem
from tests.e2e.service import Service


def conflicts(service, job_id, state):
    """Pause and resume are refused, and the answer says what is possible."""
    for action in ("pause", "resume"):
        body = problem(service.act(job_id, action), 409, "state_conflict")
        assert body["current_state"] == state
        assert set(body["allowed"]) <= {"cancel", "ack"}


def ack(service, job_id, chunk, **body):
    return service.http.post(f"/jobs/{job_id}/chunks/{chunk}/ack", json=body)


def gone(answer, reason):
    assert problem(answer, 410, "gone")["reason"] == reason


def test_every_request_has_its_answer_on_the_way_from_pending_to_cancelled(service, slow_table):
    source = {"connection": "warehouse", "table": slow_table.name}
    job_id = service.create(source, chunk_target_bytes=MIB, parallelism=1)["job_id"]

    def answer(action):
        path = f"/jobs/{job_id}"
        taken = service.http.delete(path) if action == "cancel" else service.act(job_id, action)
        return taken.status_code, taken.json()["state"]

    assert answer("pause") == (202, "pausing")
    assert answer("pause")[0] == 200
    assert service.until_state(job_id, "paused")["expires_at"] is None
    assert answer("pause") == (200, "paused")
    assert answer("resume") == (202, "running")
    assert answer("resume") == (200, "running")
    first = service.until(job_id, lambda job: job["progress"]["chunks_published"] >= 1)
    unsealed = problem(service.http.get(f"/jobs/{job_id}/manifest"), 409, "not_sealed")
    assert unsealed["current_state"] == "running"
    assert ack(service, job_id, 0).json()["job"] == {"chunks_acked": 1, "state": "running"}
    assert answer("cancel") == (202, "cancelling")
    assert answer("cancel")[0] == 200
    gone(service.http.get(f"/jobs/{job_id}/chunks/0/refresh"), "cancelled")
    done = service.until_state(job_id, "cancelled")
    assert answer("cancel") == (200, "cancelled")
    conflicts(service, job_id, "cancelled")
    assert done["manifest"]["chunk_count"] == first["manifest"]["chunk_count"]
    assert ack(service, job_id, 0).status_code == 200, "an ack is repeated also after deletion"


def test_a_staged_and_a_failed_job_take_a_cancel_only(service):
    staged = service.create(ORDERS)["job_id"]
    failed = service.create({"connection": "wrong_password", "table": "orders"})["job_id"]
    service.until_state(staged, "staged")
    conflicts(service, staged, "staged")
    assert service.http.delete(f"/jobs/{staged}").status_code == 202

    deadline = time.monotonic() + 60
    while (job := service.job(failed))["state"] != "failed":
        assert time.monotonic() < deadline, job
        time.sleep(0.1)
    conflicts(service, failed, "failed")
    assert set(job["error"]) == {"code", "detail", "partition_id"}
    cancel = service.http.delete(f"/jobs/{failed}")
    assert (cancel.status_code, cancel.json()["state"]) == (200, "failed")


def test_the_time_to_live_stands_still_while_paused(service, slow_table):
    source = {"connection": "warehouse", "table": slow_table.name}
    job = service.create(source, ttl_seconds=5)
    begun = time.monotonic()
    service.act(job["job_id"], "pause")
    service.until_state(job["job_id"], "paused")
    time.sleep(5.5)
    assert service.job(job["job_id"])["state"] == "paused"

    resumed = service.act(job["job_id"], "resume").json()

    stood_still = instant(resumed["expires_at"]) - instant(job["expires_at"])
    assert timedelta(seconds=5.4) < stood_still
    assert stood_still < timedelta(seconds=time.monotonic() - begun + 0.1)
    over = service.until_state(job["job_id"], "expired")
    assert (over["expires_at"], over["error"]) == (resumed["expires_at"], None)
    assert instant(over["finished_at"]) >= instant(over["expires_at"])
    conflicts(service, job["job_id"], "expired")


def test_partition_connections_are_closed_once_a_job_is_paused(service, slow_table, dsn):
    source = {"connection": "warehouse", "table": slow_table.name}
    job_id = service.create(source, chunk_target_bytes=MIB, parallelism=2)["job_id"]
    service.until(job_id, lambda job: job["progress"]["chunks_published"] >= 1)

    def readers():
        with psycopg.connect(dsn) as connection:
            named = "SELECT application_name FROM pg_stat_activity WHERE application_name LIKE %s"
            return connection.execute(named, [f"staging {job_id}%"]).fetchall()

    service.until(job_id, lambda _: readers())
    service.act(job_id, "pause")
    service.until_state(job_id, "paused")

    # The server itself may notice a closed connection a moment later.
    service.until(job_id, lambda _: not readers(), seconds=15)
    service.http.delete(f"/jobs/{job_id}")


def test_chunks_kept_until_expiry_stay_readable_after_every_ack(service):
    options = {"retain": "until_expired", "consumers": ["a", "b"], "ttl_seconds": 120}
    job_id = service.create(ORDERS, **options)["job_id"]
    chunk = service.until_state(job_id, "staged")["chunks"][0]
    times = [ack(service, job_id, 0, consumer=name).json()["acked_at"] for name in "ab"]

    job = service.job(job_id)
    assert (job["state"], job["chunks"][0]["state"]) == ("staged", "acked")
    assert job["chunks"][0]["acked_at"] == times[1]
    assert httpx2.get(chunk["url"]).status_code == 200
    assert instant(chunk["url_expires_at"]) <= instant(job["expires_at"])

    service.http.patch(f"/jobs/{job_id}", json={"ttl_seconds": 1})
    service.until_state(job_id, "expired")
    service.until(job_id, lambda _: httpx2.get(chunk["url"]).status_code in {403, 404})
    gone(service.http.get(f"/jobs/{job_id}/chunks/0/refresh"), "expired")
    assert ack(service, job_id, 0, consumer="a").json()["acked_at"] == times[0]


def test_a_job_is_completed_by_the_last_consumer_of_the_last_chunk(service):
    job_id = service.create(ORDERS, chunk_target_bytes=MIB, consumers=["a", "b"])["job_id"]
    chunks = service.until_state(job_id, "staged")["chunks"]
    first = ack(service, job_id, 0, consumer="a", sha256=chunks[0]["sha256"])
    assert set(first.json()) == {"chunk_id", "chunk_index", "acked_at", "job"}
    assert first.json()["job"] == {"chunks_acked": 0, "state": "staged"}
    assert service.job(job_id)["chunks"][0]["state"] == "available"

    (nobody,) = problem(ack(service, job_id, 0), 422, "undeclared_consumer")["errors"]
    assert (nobody["pointer"], "declares a, b" in nobody["detail"]) == ("#/consumer", True)
    wrong = problem(
        ack(service, job_id, 0, consumer="b", sha256="0" * 64), 422, "checksum_mismatch"
    )
    assert [error["pointer"] for error in wrong["errors"]] == ["#/sha256"]
    assert f"chunk 0 of job {job_id}" in wrong["detail"]
    for body in ({"consumer": 7}, {"sha256": "xyz"}, {"colour": "red"}):
        problem(ack(service, job_id, 0, **body), 422, "invalid_value")
    assert service.job(job_id)["progress"]["chunks_acked"] == 0

    pairs = [(chunk["chunk_id"], name) for chunk in chunks for name in "ab" for _ in range(2)]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda p: ack(service, job_id, p[0], consumer=p[1]), pairs))
    acked_at = {(p, a.json()["acked_at"]) for p, a in zip(pairs, answers, strict=True)}
    assert {answer.status_code for answer in answers} == {200}
    assert len(acked_at) == len(set(pairs)), "a repeated ack keeps its first time"
    assert ((chunks[0]["chunk_id"], "a"), first.json()["acked_at"]) in acked_at
    done = service.job(job_id)
    assert (done["state"], done["progress"]["chunks_acked"]) == ("completed", len(chunks))
    conflicts(service, job_id, "completed")
    service.until(job_id, lambda job: {c["state"] for c in job["chunks"]} == {"deleted"})
    gone(service.http.get(f"/jobs/{job_id}/chunks/0/refresh"), "completed")
    again = ack(service, job_id, 0, consumer="a")
    assert again.json()["acked_at"] == first.json()["acked_at"]
    assert service.http.delete(f"/jobs/{job_id}").json()["state"] == "completed"


def test_a_chunk_never_acked_whose_data_is_gone_is_not_acked(service):
    job_id = service.create(ORDERS)["job_id"]
    url = service.until_state(job_id, "staged")["chunks"][0]["url"]

    service.http.delete(f"/jobs/{job_id}")

    gone(ack(service, job_id, 0), "cancelled")
    deadline = time.monotonic() + 60
    while httpx2.get(url).status_code != 404:
        assert time.monotonic() < deadline, "what was published goes"
        time.sleep(0.1)


def test_jobs_are_listed_newest_first_by_state_and_by_label(service):
    run = uuid.uuid4().hex
    bodies = [{"source": ORDERS, "labels": {"run": run, "n": f"a:{n}"}} for n in range(3)]
    made = [service.http.post("/jobs", json=body).json()["job_id"] for body in bodies]

    def listed(**query):
        answer = service.http.get("/jobs", params={"label": f"run:{run}"} | query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    assert [job["job_id"] for job in listed()["jobs"]] == made[::-1]
    assert set(listed()["jobs"][0]) == JOB - {"chunks", "next_page_token"}
    first = listed(page_size=2)
    rest = listed(page_token=first["next_page_token"])
    assert [job["job_id"] for job in first["jobs"] + rest["jobs"]] == made[::-1]
    assert rest["next_page_token"] is None
    assert [job["job_id"] for job in listed(label="n:a:1", page_size=1)["jobs"]] == [made[1]]
    service.http.delete(f"/jobs/{made[0]}")
    service.until_state(made[0], "cancelled")
    assert [job["job_id"] for job in listed(state="cancelled")["jobs"]] == [made[0]]
    for query in ({"state": "gone"}, {"label": "run"}, {"page_size": 201}):
        problem(service.http.get("/jobs", params=query), 422, "invalid_value")


def test_one_idempotency_key_makes_one_job(service, api_url):
    key, body = {"Idempotency-Key": uuid.uuid4().hex}, {"source": ORDERS}
    refused = service.http.post("/jobs", json={"source": {"connection": "none"}}, headers=key)
    assert refused.status_code == 422, "only a 202 is kept"
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        posts = [pool.submit(service.http.post, "/jobs", json=body, headers=key) for _ in range(8)]
        answers = [post.result() for post in posts]
    job_id = answers[0].json()["job_id"]

    assert {(a.status_code, a.json()["job_id"]) for a in answers} == {(202, job_id)}
    assert sum("idempotent-replayed" not in a.headers for a in answers) == 1
    other_body = service.http.post("/jobs", json=body | {"name": "other"}, headers=key)
    (mismatch,) = problem(other_body, 422, "idempotency_mismatch")["errors"]
    assert mismatch["pointer"] == "#/header/Idempotency-Key"
    assert job_id in mismatch["detail"]
    twice = [("Idempotency-Key", "a"), ("Idempotency-Key", "b")]
    problem(service.http.post("/jobs", json=body, headers=twice), 400, "bad_request")
    stranger = Service(api_url, org_id=2)
    theirs = stranger.http.post("/jobs", json=body, headers=key).json()["job_id"]
    assert theirs != job_id
    stranger.http.delete(f"/jobs/{theirs}")
    service.http.delete(f"/jobs/{job_id}")
    service.until_state(job_id, "cancelled")
    replay = service.http.post("/jobs", json=body, headers=key)
    assert (replay.status_code, replay.json()["state"]) == (202, "cancelled")
    assert replay.headers["idempotent-replayed"] == "true"
    too_long = service.http.post("/jobs", json=body, headers={"Idempotency-Key": "k" * 256})
    problem(too_long, 422, "invalid_value")


def test_a_reader_waits_for_the_next_revision(service, api_url):
    job_id = service.create(ORDERS, chunk_target_bytes=MIB, consumers=["a", "b"])["job_id"]
    service.until_state(job_id, "staged")

    def wait(etag, seconds):
        begun = time.monotonic()
        answer = service.http.get(
            f"/jobs/{job_id}", params={"wait_seconds": seconds}, headers={"If-None-Match": etag}
        )
        return answer, time.monotonic() - begun

    first = service.http.get(f"/jobs/{job_id}").headers["etag"]
    assert re.fullmatch(r'W/"\d+"', first)
    (at_once, took), (late, waited) = wait(first, 0), wait(first, 1)
    assert (at_once.status_code, late.status_code, late.content) == (304, 304, b"")
    assert took < 10
    assert 0.9 <= waited < 15
    ack = {"json": {"consumer": "a"}}
    other = Service(api_url)
    acking = threading.Timer(0.5, other.http.post, [f"/jobs/{job_id}/chunks/0/ack"], ack)
    acking.start()
    woken, waited = wait(first, 50)
    acking.join()
    assert (woken.status_code, woken.headers["etag"] != first) == (200, True)
    assert waited < 40
    assert wait('W/"0"', 50)[1] < 40
    for seconds in (-1, 51, "x"):
        problem(wait(first, seconds)[0], 422, "invalid_value")
