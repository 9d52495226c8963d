/** Xenolith's version, that of package.json: `version.test.ts` holds the two together. */
export const VERSION = "0.1.0";
