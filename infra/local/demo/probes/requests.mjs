/**
 * Runs inside the sandbox as the executor (through `execute_command`) and sends requests exactly as told: paths raw,
 * `Host` free, any port. Prints one line: `PROBE ` and a JSON array with an answer or an error code for each.
 *
 *     node requests.mjs <JSON [{host, method?, path?, headers?, body?, port?, plain?, servername?}]>
 */
import { request as http } from "node:http";
import { request as https } from "node:https";

function send(wanted) {
  return new Promise((resolve) => {
    const { host, method = "GET", path = "/", headers = {}, body, plain = false, servername = host } = wanted;
    const port = wanted.port ?? (plain ? 80 : 443);
    const options = { host, port, method, path, headers, agent: false, timeout: 10_000 };
    const request = plain ? http(options) : https({ ...options, servername });
    request.on("response", (response) => {
      let text = "";
      response.setEncoding("utf8");
      const done = () => {
        resolve({ status: response.statusCode, body: text.slice(0, 400) });
        request.destroy();
      };
      response.on("data", (chunk) => {
        text += chunk;
        // A stream has no end; its head is the answer.
        if (text.length > 4096 || response.headers["content-type"]?.startsWith("text/event-stream")) done();
      });
      response.on("end", done);
    });
    request.on("timeout", () => request.destroy(Object.assign(new Error("timeout"), { code: "TIMEOUT" })));
    request.on("error", (error) => resolve({ error: error.code ?? error.message }));
    request.end(body);
  });
}

const answers = [];
for (const wanted of JSON.parse(process.argv[2] ?? "[]")) answers.push(await send(wanted));
console.log(`PROBE ${JSON.stringify(answers)}`);
