/**
 * Matches raw paths that servers on the way may read in different ways: not from the root, empty and dot segments,
 * separators of old (`;` `\`), bytes that no request target holds, broken escapes, and escapes of a separator, a dot, a
 * control character, the escape character, a byte that UTF-8 never uses, or an overlong sequence.
 *
 * None of the templates' own patterns match such a path; this comes first so that the answer says what is wrong.
 */
export const ODD_PATH =
  "(?i)^[^/]|^$|//|/[.]+(?:/|$)|[;\\\\]|[^\\x21-\\x7e]|%(?:[^0-9a-f]|.?$|.[^0-9a-f])|%(?:[01][0-9a-f]|2[35ef]|3[bf]|5c|7f|c[01]|f[5-9a-f]|e0%[89]|f0%8)";
