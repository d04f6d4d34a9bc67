/**
 * What GitHub's code scanning needs of a SARIF file ("SARIF support for code scanning" in its documentation): the
 * required properties, and no property of these objects that SARIF 2.1.0 does not have.
 */
import { z } from "zod";

const message = z.strictObject({ text: z.string().min(1) });

const result = z.strictObject({
  ruleId: z.string(),
  ruleIndex: z.int().nonnegative(),
  level: z.enum(["none", "note", "warning", "error"]),
  message,
  locations: z
    .array(
      z.strictObject({
        physicalLocation: z.strictObject({
          // Relative to the root of the repository, as a URI.
          artifactLocation: z.strictObject({ uri: z.string().regex(/^[^/\s][^\s]*$/), uriBaseId: z.string() }),
          region: z.strictObject({ startLine: z.int().positive() }),
        }),
        logicalLocations: z.array(z.strictObject({ name: z.string(), fullyQualifiedName: z.string() })),
      }),
    )
    .min(1),
  partialFingerprints: z.strictObject({ primaryLocationLineHash: z.string().regex(/^[0-9a-f]+:\d+$/) }),
  suppressions: z
    .array(z.strictObject({ kind: z.enum(["inSource", "external"]), status: z.string(), justification: z.string() }))
    .optional(),
});

const run = z.strictObject({
  tool: z.strictObject({
    driver: z.strictObject({
      name: z.string(),
      rules: z.array(
        z.strictObject({
          id: z.string(),
          name: z.string().max(255),
          shortDescription: message,
          fullDescription: message,
          help: z.strictObject({ text: z.string(), markdown: z.string() }),
          defaultConfiguration: z.strictObject({ level: z.string() }),
          properties: z.strictObject({
            tags: z.array(z.string()),
            precision: z.enum(["very-high", "high", "medium", "low"]),
            "security-severity": z.string().regex(/^\d+\.\d$/),
          }),
        }),
      ),
    }),
  }),
  automationDetails: z.strictObject({ id: z.string().regex(/\/$/) }),
  columnKind: z.literal("utf16CodeUnits"),
  results: z.array(result).max(25_000),
});

export const sarifShape = z.strictObject({
  $schema: z.url(),
  version: z.literal("2.1.0"),
  runs: z.tuple([run]),
});
