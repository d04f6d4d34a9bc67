import type { CredentialForm } from "./policy.ts";

/** The header, in lower case, that carries a credential of this form. */
export function credentialHeader(form: CredentialForm): string {
  return form.type === "header" ? form.name.toLowerCase() : "authorization";
}

/** The value of that header. */
export function credentialHeaderValue(form: CredentialForm, secret: string): string {
  if (form.type === "header") return secret;
  if (form.type === "bearer") return `Bearer ${secret}`;
  return `Basic ${Buffer.from(`${form.username}:${secret}`).toString("base64")}`;
}
