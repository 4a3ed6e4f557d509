// What the QuickJS row runs: objects with methods that schedule each other, closures over arrays, text and patterns,
// JSON, typed arrays, maps, exceptions. Seeded by its own generator; prints what it computes. Argument: how often.

"use strict";

let seed = 42;

function random(n) {
    seed = (Math.imul(seed, 1103515245) + 12345) & 0x7fffffff;
    return (seed >> 8) % n;
}

// Tasks with queues of packets: each works on what it gets and passes it on.
class Task {
    constructor(name, rank) {
        this.name = name;
        this.rank = rank;
        this.queue = [];
        this.done = 0;
    }

    receive(packet) {
        this.queue.push(packet);
    }

    step() {
        const packet = this.queue.shift();
        packet.hops++;
        this.done++;
        return this.work(packet);
    }
}

class Adder extends Task {
    work(packet) {
        packet.value = (packet.value + this.rank) % 1000003;
        return packet;
    }
}

class Mixer extends Task {
    work(packet) {
        packet.value = (packet.value * 31 + packet.hops) % 1000003;
        return packet;
    }
}

function schedule(packets) {
    const tasks = [];
    for (let i = 0; i < 8; i++)
        tasks.push(i % 2 ? new Mixer("mixer" + i, i) : new Adder("adder" + i, i));
    for (let i = 0; i < packets; i++)
        tasks[random(8)].receive({ id: i, value: random(1000), hops: 0 });
    let left = packets, sum = 0;
    while (left > 0) {
        for (const task of tasks) {
            if (task.queue.length === 0)
                continue;
            const packet = task.step();
            if (packet.hops < 40) {
                tasks[packet.value % 8].receive(packet);
            } else {
                sum = (sum + packet.value) % 1000003;
                left--;
            }
        }
    }
    return sum + "/" + tasks.reduce((n, t) => n + t.done, 0);
}

function text(lines) {
    const words = ["alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta"];
    let all = "";
    for (let i = 0; i < lines; i++)
        all += `${words[random(8)]}-${random(100)}: ${words[random(8)].toUpperCase()} ${random(10000)}\n`;
    const counts = new Map();
    for (const match of all.matchAll(/^(\w+)-(\d+): ([A-Z]+) (\d+)$/gm))
        counts.set(match[3], (counts.get(match[3]) || 0) + Number(match[4]));
    return [...counts].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1))[0].join("=") + " " +
        all.split("\n").filter((line) => line.includes("eta")).length + " " + all.replace(/[aeiou]/g, "").length;
}

function json(n) {
    const tree = (depth) => depth === 0 ? random(1000) : { left: tree(depth - 1), right: [tree(depth - 1), "x" + depth] };
    const written = JSON.stringify(tree(n));
    const sum = (node) => typeof node === "number" ? node : sum(node.left) + sum(node.right[0]);
    return written.length + "/" + sum(JSON.parse(written));
}

function matrix(n) {
    const a = new Float64Array(n * n), b = new Float64Array(n * n), c = new Float64Array(n * n);
    for (let i = 0; i < n * n; i++) {
        a[i] = random(100) / 10;
        b[i] = random(100) / 10;
    }
    for (let i = 0; i < n; i++)
        for (let j = 0; j < n; j++) {
            let s = 0;
            for (let k = 0; k < n; k++)
                s += a[i * n + k] * b[k * n + j];
            c[i * n + j] = s;
        }
    return c.reduce((x, y) => x + y, 0).toFixed(3);
}

function thrown(n) {
    let caught = 0;
    for (let i = 0; i < n; i++) {
        try {
            if (random(3) === 0)
                throw new RangeError("value " + i);
        } catch (e) {
            caught += e.message.length;
        }
    }
    return caught;
}

const times = Number(scriptArgs[1] || 10);
for (let i = 0; i < times; i++)
    print(schedule(120), text(250), json(9), matrix(24), thrown(400));
