/**
 * What a page may read of another origin's server, and what to say when it may not: a browser tells the page no more than
 * that the request failed. [FETCH] "HTTP CORS protocol", "CORS-safelisted response-header name"
 */

/** What a server sends so that pages of other origins can use its images. */
const EXPOSED = "Content-Range, ETag";

/** The origin of the page that asks for `url`, when it is not the server's own; null also outside of browsers. */
export function foreignPage(url: string, page: string | null): string | null {
  return page === null || new URL(url).origin === page ? null : page;
}

/** The page's own origin; null outside of browsers. */
export function ownOrigin(): string | null {
  const { origin } = globalThis as { readonly origin?: string };
  return typeof origin === "string" && /^https?:/.test(origin) ? origin : null;
}

const LOOPBACK = /^(localhost|.*\.localhost|127(\.\d+){3}|\[::1\])$/;

/** Browsers keep pages that came encrypted from asking servers without. */
export function isMixed(url: string, page: string): boolean {
  const { protocol, hostname } = new URL(url);
  return page.startsWith("https:") && protocol === "http:" && !LOOPBACK.test(hostname);
}

/** The next step for whoever looks after the server. */
export const allowNext = (page: string): string =>
  `have it send "Access-Control-Allow-Origin: ${page}" (or *), "Access-Control-Allow-Headers: Range" and ` +
  `"Access-Control-Expose-Headers: ${EXPOSED}", or put the image on this page's own server, or import it`;

export const exposeNext = (): string => `have it send "Access-Control-Expose-Headers: ${EXPOSED}", or import the image`;
