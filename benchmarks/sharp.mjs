// sharp (libvips) as a contestant of the benchmark: the same protocol as contestants.py, one thread.
import { createRequire } from "node:module";
import { readFileSync, writeFileSync } from "node:fs";
import { createInterface } from "node:readline";

const sharp = createRequire(process.argv[2] + "/")("sharp");
sharp.concurrency(1);
sharp.cache(false);

const boxes = { CreateWebImage: [1920, 1080], CreateMobileImage: [640, 320] };

async function run(data, name) {
  const { width, height } = await sharp(data).metadata();
  const box = boxes[name] ?? [Math.floor(width / 2), Math.floor(height / 2)];
  const fit = boxes[name] ? "inside" : "fill";
  return sharp(data).resize(...box, { fit, withoutEnlargement: true }).jpeg({ quality: 75 }).toBuffer();
}

console.log(JSON.stringify({ ready: true }));
for await (const line of createInterface({ input: process.stdin })) {
  const request = JSON.parse(line);
  const data = readFileSync(request.photo);
  const before = process.cpuUsage();
  const result = await run(data, request.function);
  const { user, system } = process.cpuUsage(before);
  if (request.out) writeFileSync(request.out, result);
  const peak = Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync("/proc/self/status", "utf8"))[1]) * 1024;
  console.log(JSON.stringify({ cpu: (user + system) / 1e6, peak }));
}
