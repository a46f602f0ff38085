// What a program does with BullMQ. `node bullmq.mjs PORT SCENARIO` prints, as JSON, what came of it.
// It runs beside the node_modules that have bullmq and ioredis; test_bullmq.py puts it there.

import { FlowProducer, Queue, QueueEvents, Worker } from "bullmq";

const DEADLINE_MS = 60_000;
const [port, scenario] = process.argv.slice(2);
const connection = { host: "127.0.0.1", port: Number(port), db: 1, maxRetriesPerRequest: null };
const opened = [];

/** What is opened here is closed at the end, the last first. */
function open(kind, ...given) {
  const options = typeof given.at(-1) === "object" ? given.pop() : {};
  const one = new kind(...given, { connection, ...options });
  one.on("error", fail);
  one.setMaxListeners(0); // many jobs are awaited at once
  opened.push(one);
  return one;
}

function fail(error) {
  console.error(error);
  process.exit(1);
}

/** A queue, its events, and `done(job)`: what the job returned, or an error. */
async function queueAndEvents(name = "work") {
  const queue = open(Queue, name);
  const events = open(QueueEvents, name, { lastEventId: "0" });
  await events.waitUntilReady();
  return { queue, events, done: (job) => job.waitUntilFinished(events, DEADLINE_MS) };
}

/** The `count`th event of this name. */
function event(events, name, count = 1) {
  return new Promise((resolve) => {
    events.on(name, (told) => {
      count -= 1;
      if (count === 0) resolve(told);
    });
  });
}

function numbers(count) {
  return [...Array(count).keys()];
}

/** Why this failed, or null. */
async function reason(promise) {
  try {
    await promise;
    return null;
  } catch (error) {
    return error.message;
  }
}

const scenarios = {
  async results() {
    const { queue, done } = await queueAndEvents();
    const jobs = await queue.addBulk(
      numbers(60).map((n) => ({ name: "double", data: { n, text: "é".repeat(500) } })),
    );
    const before = await queue.getJobCounts("waiting", "completed");
    open(Worker, "work", async (job) => {
      await job.updateProgress(50);
      await job.log(`halfway with ${job.data.n}`);
      return job.data.n * 2;
    }, { concurrency: 10 });
    const returned = await Promise.all(jobs.map(done));
    const last = await queue.getJob(jobs.at(-1).id);
    return {
      before,
      returned,
      after: await queue.getJobCounts("waiting", "active", "completed", "failed"),
      progress: last.progress,
      logs: (await queue.getJobLogs(last.id)).logs,
      text: last.data.text.length,
      listed: (await queue.getCompleted(0, 9)).length,
    };
  },

  async order() {
    const { queue, done } = await queueAndEvents();
    const add = (name, options) => queue.add(name, {}, options);
    const jobs = [
      await add("later", { delay: 50 }),
      await add("low", { priority: 100 }),
      await add("high", { priority: 1 }),
      await add("plain"),
      await add("lifo", { lifo: true }),
      await add("same", { deduplication: { id: "one" } }),
      await add("same again", { deduplication: { id: "one" } }),
      await add("tomorrow", { delay: 86_400_000 }),
    ];
    await jobs[1].changePriority({ priority: 2 });
    const counts = await queue.getJobCounts("waiting", "prioritized", "delayed");
    const order = [];
    open(Worker, "work", async (job) => { order.push(job.name); });
    await Promise.all(jobs.slice(0, -1).map(done));
    const waiting = await jobs.at(-1).getState();
    await jobs.at(-1).promote();
    await done(jobs.at(-1));
    return { counts, order: order.filter((name) => name !== "later"), waiting, later: order.includes("later") };
  },

  async retries() {
    const { queue, done } = await queueAndEvents();
    const attempts = [];
    let hopeless = true;
    const worker = open(Worker, "work", async (job) => {
      attempts.push(job.name);
      if (job.name === "third time" && job.attemptsMade === 2) return "done";
      if (job.name === "hopeless" && !hopeless) return "after all";
      throw new Error("as asked");
    });
    const options = { attempts: 3, backoff: { type: "exponential", delay: 5 } };
    const third = await queue.add("third time", {}, options);
    const never = await queue.add("hopeless", {}, options);
    const returned = await done(third);
    const failed = await reason(done(never));
    const kept = (await queue.getFailed())[0];
    hopeless = false;
    const again = event(worker, "completed");
    await kept.retry();
    return {
      returned,
      failed,
      attempts: attempts.length,
      made: kept.attemptsMade,
      afterwards: (await again).returnvalue,
      state: await kept.getState(),
    };
  },

  async flow() {
    const { done } = await queueAndEvents();
    const flows = open(FlowProducer);
    const leaf = (n) => ({ name: "leaf", queueName: "leaves", data: { n } });
    const tree = await flows.add({
      name: "root",
      queueName: "work",
      children: [
        { name: "branch", queueName: "work", children: [leaf(1), leaf(2)] },
        ...numbers(30).map(leaf),
      ],
    });
    const failing = await flows.add({
      name: "root",
      queueName: "work",
      children: [{ ...leaf(-1), opts: { failParentOnFailure: true } }, { name: "leaf", queueName: "nobody's" }],
    });
    const before = await tree.job.getState();
    const pages = [];
    let cursor = 0;
    do {
      const page = await tree.job.getDependencies({ unprocessed: { cursor, count: 10 } });
      pages.push(...page.unprocessed);
      cursor = Number(page.nextUnprocessedCursor);
    } while (cursor !== 0);
    open(Worker, "leaves", async (job) => {
      if (job.data.n < 0) throw new Error("rotten");
      return job.data.n;
    }, { concurrency: 4 });
    open(Worker, "work", async (job) =>
      Object.values(await job.getChildrenValues()).reduce((one, other) => one + other, 0));
    const sum = await done(tree.job);
    const again = await flows.getFlow({ id: tree.job.id, queueName: "work", maxChildren: 100 });
    return {
      before,
      paged: new Set(pages).size,
      sum,
      failed: await reason(done(failing.job)),
      children: again.children.length,
      unprocessed: (await tree.job.getDependenciesCount()).unprocessed,
    };
  },

  async limiter() {
    const { queue, done } = await queueAndEvents();
    const jobs = await queue.addBulk(numbers(7).map((n) => ({ name: "limited", data: { n } })));
    open(Worker, "work", async (job) => job.data.n, { limiter: { max: 3, duration: 200 } });
    const returned = await Promise.all(jobs.map(done));
    const first = await queue.getJob(jobs[0].id);
    const last = await queue.getJob(jobs.at(-1).id);
    return { returned, took: last.finishedOn - first.processedOn };
  },

  async schedulers() {
    const { queue, events } = await queueAndEvents();
    const thrice = event(events, "completed", 3);
    await queue.upsertJobScheduler("often", { every: 20 }, { name: "tick", data: { n: 1 } });
    await queue.upsertJobScheduler("yearly", { pattern: "0 0 1 1 *" }, { name: "new year" });
    const names = new Set();
    open(Worker, "work", async (job) => { names.add(job.name); });
    await thrice;
    const known = (await queue.getJobSchedulers()).map((one) => one.key).sort();
    const removed = await queue.removeJobScheduler("often");
    return {
      names: [...names],
      known,
      removed,
      left: await queue.getJobSchedulersCount(),
      next: (await queue.getJobScheduler("yearly")).next > Date.now(),
    };
  },

  async events() {
    const { queue, events, done } = await queueAndEvents();
    const told = [];
    const follow = (name) => events.on(name, (one) => { if (one.jobId === "mine") told.push(name); });
    ["added", "waiting", "active", "progress", "completed"].forEach(follow);
    const drained = event(events, "drained");
    open(Worker, "work", async (job) => { await job.updateProgress({ step: 1 }); });
    await done(await queue.add("job", {}, { jobId: "mine" }));
    await drained;
    return { told };
  },

  async pause() {
    const { queue, events, done } = await queueAndEvents();
    const [paused, resumed] = [event(events, "paused"), event(events, "resumed")];
    const worker = open(Worker, "work", async (job) => job.data.n);
    await worker.waitUntilReady();
    await queue.pause();
    await paused;
    const jobs = await queue.addBulk([1, 2, 3].map((n) => ({ name: "job", data: { n } })));
    const counts = await queue.getJobCounts("waiting", "active", "completed");
    const isPaused = await queue.isPaused();
    await queue.resume();
    await resumed;
    const returned = await Promise.all(jobs.map(done));
    const cleaned = await queue.clean(0, 2, "completed");
    await queue.addBulk(numbers(40).map((n) => ({ name: "never", opts: { delay: 1e6 * (n + 1) } })));
    await queue.drain(true);
    const left = await queue.getJobCountByTypes("delayed", "completed");
    await worker.close();
    await events.close();
    await queue.obliterate({ force: true });
    return { counts, isPaused, returned, cleaned: cleaned.length, left };
  },

  async stalled() {
    const { queue, events, done } = await queueAndEvents();
    const stalled = event(events, "stalled");
    const job = await queue.add("job", {});
    // It takes the job and is never heard of again.
    const dead = open(Worker, "work", null, { lockDuration: 20 });
    const taken = await dead.getNextJob("token");
    open(Worker, "work", async () => "by another", { stalledInterval: 20 });
    return { taken: taken.id === job.id, returned: await done(job), stalled: (await stalled).jobId === job.id };
  },
};

try {
  const result = await scenarios[scenario]();
  for (const one of opened.reverse()) await one.close();
  console.log(JSON.stringify(result));
} catch (error) {
  fail(error);
}
