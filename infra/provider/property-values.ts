/**
 * Property values as the Pulumi engine sends them: JSON in a protobuf `Struct`, in which secrets are objects with a
 * signature and values not known before an update are reserved strings (`sdk/go/common/resource/plugin/rpc.go`).
 */
import type { Struct as StructMessage } from "google-protobuf/google/protobuf/struct_pb.js";
import structPb from "google-protobuf/google/protobuf/struct_pb.js";

/** A value that the engine will know only after other resources are made. Previews only. */
export const UNKNOWN: unique symbol = Symbol("known after the update");

/** A value that the engine encrypts in the state and masks in output. */
export class Secret {
  readonly value: PropertyValue;

  constructor(value: PropertyValue) {
    this.value = value;
  }

  /** Whoever logs or prints it by accident learns nothing. */
  toString(): string {
    return "[secret]";
  }

  toJSON(): string {
    return "[secret]";
  }

  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return "[secret]";
  }
}

export type PropertyValue =
  | null
  | boolean
  | number
  | string
  | typeof UNKNOWN
  | Secret
  | PropertyValue[]
  | { [key: string]: PropertyValue };

export type PropertyMap = Record<string, PropertyValue>;

/** A property map with the secrets in clear: what the code of a resource works on. Never sent to the engine as it is. */
export type Revealed = Record<string, unknown>;

const SIGNATURE = "4dabf18193072939515e22adb298388d";
const SECRET = "1b47061264138c4ac30d75fd1eb44270";
const OUTPUT = "d0e6a833031e9bbcd3f4e8bde6ca49a4";
const UNKNOWN_STRING = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";
/** One a type; the engine reads any of them. */
const UNKNOWN_WIRE = new Set([
  UNKNOWN_STRING,
  "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",
  "3eeb2bf0-c639-47a8-9e75-3b44932eb421",
  "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",
  "030794c1-ac77-496b-92df-f27374a8bd58",
  "e48ece36-62e2-4504-bad9-02848725956a",
  "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",
]);

/** @throws when the engine sent an asset, an archive or a resource reference: no resource of ours takes one. */
export function decodeProperties(message: StructMessage | undefined): PropertyMap {
  if (message === undefined) return {};
  return decode(message.toJavaScript(), "") as PropertyMap;
}

function decode(value: unknown, path: string): PropertyValue {
  if (typeof value === "string") return UNKNOWN_WIRE.has(value) ? UNKNOWN : value;
  if (value === null || typeof value !== "object") return value as PropertyValue;
  if (Array.isArray(value)) return value.map((item, index) => decode(item, `${path}[${index}]`));
  const object = value as Record<string, unknown>;
  const signature = object[SIGNATURE];
  if (signature === SECRET) return secret(decode(object.value, path));
  if (signature === OUTPUT) {
    const inner = "value" in object ? decode(object.value, path) : UNKNOWN;
    return object.secret === true ? secret(inner) : inner;
  }
  if (signature !== undefined) throw new Error(`${path || "the value"} is an asset or a resource; use plain data`);
  return Object.fromEntries(
    Object.entries(object).map(([key, item]) => [key, decode(item, path ? `${path}.${key}` : key)]),
  );
}

/**
 * The wire form of a property map. Properties that are `undefined` are left out at any depth: the engine refuses them
 * after the remote object was made, which would then belong to nobody.
 *
 * @throws TypeError for what is no data (functions, bigints, NaN).
 */
export function encodeProperties(map: Readonly<Revealed>): StructMessage {
  return structPb.Struct.fromJavaScript(encode(map, "") as Parameters<typeof structPb.Struct.fromJavaScript>[0]);
}

function encode(value: unknown, path: string): unknown {
  if (value === UNKNOWN) return UNKNOWN_STRING;
  if (value instanceof Secret) return { [SIGNATURE]: SECRET, value: encode(value.value, path) };
  if (value === null || typeof value === "boolean" || typeof value === "string") return value;
  if (typeof value === "number" && Number.isFinite(value)) return value;
  if (Array.isArray(value)) return value.map((item, index) => encode(item ?? null, `${path}[${index}]`));
  if (typeof value === "object") {
    return Object.fromEntries(
      Object.entries(value)
        .filter(([, item]) => item !== undefined)
        .map(([key, item]) => [key, encode(item, path ? `${path}.${key}` : key)]),
    );
  }
  throw new TypeError(`the property ${path} is a ${typeof value}, which Pulumi cannot store`);
}

/** The same data with every secret opened; unknown values stay {@link UNKNOWN}. */
export function reveal(value: PropertyMap): Revealed;
export function reveal(value: PropertyValue): unknown;
export function reveal(value: PropertyValue): unknown {
  if (value instanceof Secret) return reveal(value.value);
  if (Array.isArray(value)) return value.map((item) => reveal(item));
  if (value !== null && typeof value === "object") {
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, reveal(item)]));
  }
  return value;
}

/**
 * `value` with the places marked as secret that are secret in `like`. What lies below a secret of `like` is secret
 * as a whole; what `like` does not have is left as it is.
 */
export function markLike(value: unknown, like: PropertyValue | undefined): PropertyValue {
  if (like instanceof Secret) return secret(value as PropertyValue);
  if (Array.isArray(value) && Array.isArray(like)) return value.map((item, index) => markLike(item, like[index]));
  if (isObject(value) && isObject(like)) {
    return Object.fromEntries(
      Object.entries(value).map(([key, item]) => [
        key,
        markLike(item, Object.hasOwn(like, key) ? like[key] : undefined),
      ]),
    );
  }
  return value as PropertyValue;
}

/** Marks a value as secret, once. */
export function secret(value: PropertyValue): Secret {
  return value instanceof Secret ? value : new Secret(value);
}

/** Whether anything in it is not known yet. */
export function hasUnknown(value: unknown): boolean {
  if (value === UNKNOWN) return true;
  if (value instanceof Secret) return hasUnknown(value.value);
  if (Array.isArray(value)) return value.some(hasUnknown);
  return isObject(value) && Object.values(value).some(hasUnknown);
}

/** Whether anything in it is secret. */
export function hasSecret(value: unknown): boolean {
  if (value instanceof Secret) return true;
  return Array.isArray(value) ? value.some(hasSecret) : isObject(value) && Object.values(value).some(hasSecret);
}

export function isObject(value: unknown): value is Record<string, PropertyValue> {
  return value !== null && typeof value === "object" && !Array.isArray(value) && !(value instanceof Secret);
}
