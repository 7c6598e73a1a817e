// Takes passwords out of text that is written down or shown.

/** `postgres://user:password@host`: what stands between the first colon and the last @ before the host. */
const urlPassword = /(\b[a-z][a-z0-9+.-]*:\/\/[^\s:/?#@"'\\]*):[^\s/?#"'\\]+@/gi
/** `?password=…`, `&token=…`, as some drivers' and hosts' URLs have them. */
const urlParameter =
  /([?&](?:password|passwd|pwd|token|access_token|secret|sig|signature|key)=)[^\s&#"'\\]+/gi
/** `Bearer …`, `Basic …`: what a header carries. */
const credential = /\b(Bearer|Basic) [\w.~+/=-]{8,}/g

export function withoutSecrets(text: string): string {
  return text.replace(urlPassword, '$1:***@').replace(urlParameter, '$1***').replace(credential, '$1 ***')
}

/** Of a text that is one URL, be it that its password made it none: all up to the last @ is the password. */
export function withoutPassword(url: string): string {
  return withoutSecrets(url.replace(/(:\/\/[^:/@]*):.*@/s, '$1:***@'))
}
