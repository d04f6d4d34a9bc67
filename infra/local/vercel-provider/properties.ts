/**
 * Property values on the engine's wire: JSON in a protobuf `Struct`, in which a secret is an object with a signature and
 * a value that is not known yet is a reserved string (Pulumi's `sdk/go/common/resource/plugin/rpc.go`).
 */
import structPb from "google-protobuf/google/protobuf/struct_pb.js";

type Struct = InstanceType<typeof structPb.Struct>;

/** Values with the secrets in clear. */
export type Properties = Record<string, unknown>;

/** Stands for a value that the engine will know only later; only previews have it. It is also its form on the wire. */
export const UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";

const SIGNATURE = "4dabf18193072939515e22adb298388d";
const SECRET = "1b47061264138c4ac30d75fd1eb44270";

export interface Decoded {
  properties: Properties;
  /** Names of the properties that are secret or hold a secret somewhere. */
  secrets: ReadonlySet<string>;
}

export function decode(message: Struct | undefined): Decoded {
  const properties: Properties = {};
  const secrets = new Set<string>();
  for (const [name, value] of Object.entries(message?.toJavaScript() ?? {})) {
    properties[name] = reveal(value, () => secrets.add(name));
  }
  return { properties, secrets };
}

/** Absent members are left out, since a Struct cannot hold `undefined`. */
export function encode(properties: Properties, secrets: ReadonlySet<string> = new Set()): Struct {
  const entries = Object.entries(properties)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => {
      const plain = withoutUndefined(value);
      return [name, secrets.has(name) ? { [SIGNATURE]: SECRET, value: plain } : plain];
    });
  return structPb.Struct.fromJavaScript(Object.fromEntries(entries));
}

export function hasUnknown(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return value === UNKNOWN;
  return Object.values(value).some(hasUnknown);
}

function reveal(value: unknown, onSecret: () => void): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map((item) => reveal(item, onSecret));
  const members = value as Properties;
  if (members[SIGNATURE] === SECRET) {
    onSecret();
    return reveal(members.value, onSecret);
  }
  return Object.fromEntries(Object.entries(members).map(([name, item]) => [name, reveal(item, onSecret)]));
}

function withoutUndefined(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map((item) => withoutUndefined(item ?? null));
  const members = Object.entries(value).filter(([, item]) => item !== undefined);
  return Object.fromEntries(members.map(([name, item]) => [name, withoutUndefined(item)]));
}
