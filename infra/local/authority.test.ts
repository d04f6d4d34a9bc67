import { execFile } from "node:child_process";
import { X509Certificate } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect, createServer, type TLSSocket } from "node:tls";
import { promisify } from "node:util";
import { expect, onTestFinished, test } from "vitest";
import { createAuthority } from "./authority.ts";

async function serverWith(certificate: { key: string; cert: string }): Promise<number> {
  const server = createServer(certificate, (socket) => socket.end("hello")).listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => void server.close());
  return (server.address() as AddressInfo).port;
}

async function greet(port: number, ca: string, servername: string): Promise<string> {
  const socket: TLSSocket = connect({ port, host: "127.0.0.1", ca, servername });
  const [greeting] = await once(socket, "data");
  socket.destroy();
  return String(greeting);
}

test("a client that trusts the authority accepts a certificate for exactly the names it was issued for", async () => {
  const authority = await createAuthority();
  const port = await serverWith(await authority.issue(["api.vercel.com", "*.crm.example"]));

  await expect(greet(port, authority.caPem, "api.vercel.com")).resolves.toBe("hello");
  await expect(greet(port, authority.caPem, "eu.crm.example")).resolves.toBe("hello");
  await expect(greet(port, authority.caPem, "vercel.com")).rejects.toMatchObject({
    code: "ERR_TLS_CERT_ALTNAME_INVALID",
  });
});

test("a certificate of one authority means nothing to a client that trusts another one", async () => {
  const [ours, theirs] = [await createAuthority(), await createAuthority()];
  const port = await serverWith(await ours.issue(["api.vercel.com"]));

  await expect(greet(port, theirs.caPem, "api.vercel.com")).rejects.toThrow(/unable to verify|self-signed|issuer/);
  await expect(greet(port, theirs.caPem + ours.caPem, "api.vercel.com")).resolves.toBe("hello");
});

test("an authority that was saved goes on issuing what its first clients trust", async () => {
  const first = await createAuthority();
  const second = await createAuthority(await first.save());

  expect(second.caPem).toBe(first.caPem);
  const port = await serverWith(await second.issue(["127.0.0.1"]));
  await expect(greet(port, first.caPem, "")).resolves.toBe("hello");
});

test("certificates satisfy OpenSSL's strict reading of RFC 5280, as Go's and curl's is", async () => {
  const folder = await mkdtemp(join(tmpdir(), "authority-"));
  onTestFinished(() => rm(folder, { recursive: true }));
  const authority = await createAuthority();
  const { cert } = await authority.issue(["api.vercel.com"]);
  await Promise.all([writeFile(join(folder, "ca.pem"), authority.caPem), writeFile(join(folder, "leaf.pem"), cert)]);

  const args = ["verify", "-x509_strict", "-purpose", "sslserver", "-CAfile", "ca.pem", "leaf.pem"];
  const verdict = promisify(execFile)("openssl", args, { cwd: folder }).catch((error) => error);
  // Where there is no openssl program, Node's own reading of the chain has to do.
  const { code, stdout } = await verdict;
  if (code === "ENOENT") expect(new X509Certificate(cert).checkIssued(new X509Certificate(authority.caPem))).toBe(true);
  else expect(stdout).toContain("leaf.pem: OK");
});
