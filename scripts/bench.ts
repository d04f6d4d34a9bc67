/** `npm run bench -- policy [--json]`: what policies cost as they grow. Ratios count; times are this machine's. */
import { growth, type Measured, measurePolicies } from "../policies/bench/policy-bench.ts";
import { readArguments } from "./main.ts";

const usage = "npm run bench -- policy [--json]    compile, bind, evaluate and compare at 10 to 10,000 rules";

const { positionals, values } = readArguments(usage, {
  allowPositionals: true,
  options: { json: { type: "boolean", default: false } },
});
if (positionals[0] !== "policy") {
  console.error(usage);
  process.exitCode = 2;
} else {
  const measured = measurePolicies([10, 100, 1000, 10_000], 5, () => performance.now());
  if (values.json) console.log(JSON.stringify(measured));
  else {
    console.log(
      "  rules   compile ms        bind ms     evaluate µs     compare ms      compare/compile   bound policy",
    );
    measured.forEach((now, i) => {
      const before = measured[i - 1];
      const cell = (what: Measured) =>
        `${now[what].toFixed(2).padStart(9)} ${before ? `^${growth(before, now, what).toFixed(2)}` : ""}`.padEnd(16);
      const ratio = (now.compare / now.compile).toFixed(2).padStart(16);
      const size = `${Math.ceil(now.boundBytes / 1024)} KiB`.padStart(12);
      console.log(
        `${String(now.rules).padStart(7)} ${cell("compile")}${cell("bind")}${cell("evaluate")}${cell("compare")}${ratio}${size}`,
      );
    });
    console.log("\n^ is the growth exponent since the size before: 1 is linear, 0 does not grow.");
  }
}
