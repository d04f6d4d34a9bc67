/** Type-level check of `{names}` in a policy's texts, so that a misspelt variable is an error in the editor. */
import type { BuiltInVariable } from "./policy.ts";

/** Names between braces in a text: `"/v1/{a}/{rest...}"` → `"a" | "rest..."`. */
type NamesIn<Text extends string> = Text extends `${string}{${infer Name}}${infer Rest}` ? Name | NamesIn<Rest> : never;

/** A text whose names are all known, or else what is wrong with it, which the compiler then shows. */
type TextOf<Text extends string, Known extends string, Hint extends string> = string extends Text
  ? Text
  : [Exclude<NamesIn<Text>, Known>] extends [never]
    ? Text
    : // Not a text alone: two texts that differ make `never` of the whole rule, and its error says nothing.
      Text & { readonly problem: `{${Exclude<NamesIn<Text>, Known>}} is no variable: ${Hint}` };

type ListOf<Texts, Known extends string, Hint extends string> = Texts extends string
  ? TextOf<Texts, Known, Hint>
  : Texts extends readonly string[]
    ? { readonly [Index in keyof Texts]: TextOf<Texts[Index] & string, Known, Hint> }
    : Texts;

type Values<Record, Variable extends string> = {
  readonly [Name in keyof Record]: Record[Name] extends { readonly required: infer Value }
    ? { readonly required: ListOf<Value, Variable, "declare it in `variables`"> }
    : ListOf<Record[Name], Variable, "declare it in `variables`">;
};

/** Parameters that the model chooses, as they stand in a path: also as a tail. */
type Chosen<Rule> = Rule extends { readonly modelChooses: readonly (infer Name extends string)[] }
  ? Name | `${Name}...`
  : never;

type RuleNames<Rule, Variable extends string> = {
  readonly [Key in keyof Rule]: Rule[Key] extends infer Value
    ? Key extends "path"
      ? Value extends string
        ? TextOf<Value, Variable | Chosen<Rule>, "declare it in `variables`, or list it in `modelChooses`">
        : Value
      : Key extends "query" | "headers"
        ? Value extends readonly unknown[] | undefined
          ? Value
          : Values<Value, Variable>
        : Value
    : never;
};

type RulesNames<Rules, Variable extends string> = {
  readonly [Index in keyof Rules]: RuleNames<Rules[Index], Variable>;
};

/** A policy's input with every `{name}` in its rules checked against the variables that it declares. */
export type KnownNames<Input> = KnownNamesWith<
  Input,
  BuiltInVariable | (Input extends { readonly variables: infer Variables } ? keyof Variables & string : never)
>;

type KnownNamesWith<Input, Variable extends string> = {
  readonly [Key in keyof Input]: Key extends "sandbox" | "setup"
    ? RulesNames<Input[Key], Variable>
    : Key extends "tools"
      ? { readonly [Tool in keyof Input[Key]]: ToolNames<Input[Key][Tool], Variable> }
      : Input[Key];
};

type ToolNames<Tool, Variable extends string> = {
  readonly [Key in keyof Tool]: Key extends "allow" ? RulesNames<Tool[Key], Variable> : Tool[Key];
};
