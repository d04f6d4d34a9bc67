/** Methods that a rule may list. The firewall compares them case-sensitively (contracts/vercel-firewall.md §1.7). */
export const METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] as const;

/** A method that a rule may list. */
export type Method = (typeof METHODS)[number];

/** The methods that only read, for `methods: READ_ONLY`. */
export const READ_ONLY = ["GET", "HEAD"] as const satisfies readonly Method[];
