import type { ServerResponse } from "node:http";

/** Answers as Vercel's edge does when it, not a function, is the one to answer. */
export function answerError(response: ServerResponse, status: number, code: string): void {
  const text = `${code}\n`;
  response.writeHead(status, {
    "content-type": "text/plain; charset=utf-8",
    "content-length": Buffer.byteLength(text),
    "x-vercel-error": code,
  });
  response.end(text);
}
