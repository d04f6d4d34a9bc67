/**
 * Credentials that each customer has of their own. This file is yours: write where they come from.
 *
 * A policy names one with `source: perCustomer("crm")`. When a session's sandbox is spawned, {@link resolveCredential} is
 * asked for it, and its answer goes into that sandbox's network policy and nowhere else.
 */
import type { ResolveCredential } from "./customer-credentials.ts";

/**
 * Answers with the customer's credential, or undefined where there is none: the rules that carry it are then denied in
 * that session's sandbox. Look the customer up by exactly this name; never fall back to another's credential, or to one
 * that serves all. Throw when the store cannot be asked: the session is then tried again.
 *
 * @example
 * ```ts
 * export const resolveCredential: ResolveCredential = async (name, customer, { env, signal }) => {
 *   if (name !== "crm") return undefined;
 *   const response = await fetch(`https://vault.example/v1/customers/${customer}/crm-token`, {
 *     headers: { authorization: `Bearer ${env.VAULT_TOKEN}` },
 *     redirect: "error",
 *     signal,
 *   });
 *   if (response.status === 404) return undefined;
 *   if (!response.ok) throw new Error(`the vault answered ${response.status}`);
 *   return (await response.text()).trim();
 * };
 * ```
 */
export const resolveCredential: ResolveCredential = async () => undefined;
