/** The package schema (`pulumi package get-schema`), made from the definitions: for import, SDKs and editors. */
import { z } from "zod";
import type { ResourceDefinition } from "./definition.ts";
import { providerConfig, secretProviderConfig } from "./provider-config.ts";

type PulumiType =
  | { type: "string" | "number" | "integer" | "boolean" }
  | { type: "array"; items: PulumiType }
  | { type: "object"; additionalProperties: PulumiType }
  | { $ref: "pulumi.json#/Any" };

type PulumiProperty = PulumiType & { description?: string; secret?: true; willReplaceOnChanges?: true };

interface JsonSchema {
  type?: string;
  description?: string;
  properties?: Record<string, JsonSchema>;
  required?: string[];
  items?: JsonSchema;
  additionalProperties?: JsonSchema | boolean;
}

/** https://www.pulumi.com/docs/iac/guides/building-extending/packages/schema/ */
export function packageSchema(definitions: readonly ResourceDefinition[], version: string): Record<string, unknown> {
  const config = properties(providerConfig, secretProviderConfig);
  return {
    name: "handrail",
    version,
    description: "What Vercel's provider has no resource type for: managed agents, their sandboxes and their egress.",
    license: "Apache-2.0",
    config: { variables: config.properties },
    provider: { inputProperties: config.properties, requiredInputs: config.required },
    resources: Object.fromEntries(definitions.map((item) => [`handrail:index:${item.type}`, resource(item)])),
  };
}

function resource(definition: ResourceDefinition): Record<string, unknown> {
  const inputs = properties(definition.inputs, definition.secretInputs ?? [], definition.replaceOn);
  const outputs = properties(definition.outputs, []);
  return {
    description: definition.description,
    inputProperties: inputs.properties,
    requiredInputs: inputs.required,
    properties: { ...inputs.properties, ...outputs.properties },
    required: [...inputs.required, ...outputs.required],
  };
}

function properties(schema: z.ZodType, secrets: readonly string[], replaceOn: readonly string[] = []) {
  const json = z.toJSONSchema(schema, { unrepresentable: "any" }) as JsonSchema;
  return {
    properties: Object.fromEntries(
      Object.entries(json.properties ?? {}).map(([name, property]): [string, PulumiProperty] => [
        name,
        {
          ...pulumiType(property),
          ...(property.description && { description: property.description }),
          ...(secrets.includes(name) && { secret: true }),
          ...(replaceOn.includes(name) && { willReplaceOnChanges: true }),
        },
      ]),
    ),
    required: json.required ?? [],
  };
}

/** Objects with fields of their own are `Any`: naming each of them would serve generated SDKs only. */
function pulumiType(schema: JsonSchema): PulumiType {
  const { type } = schema;
  if (type === "string" || type === "number" || type === "integer" || type === "boolean") return { type };
  if (type === "array" && schema.items) return { type, items: pulumiType(schema.items) };
  if (type === "object" && !schema.properties && typeof schema.additionalProperties === "object") {
    return { type, additionalProperties: pulumiType(schema.additionalProperties) };
  }
  return { $ref: "pulumi.json#/Any" };
}
