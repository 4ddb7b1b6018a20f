/** What goes wrong with passkeys, in words. The pages' own texts come from the server; these are needed only if something fails. */

export type Problem =
  "busy" | "cancelled" | "failed" | "full" | "known" | "link" | "no-network" | "not-confirmed" | "refused" | "too-many";

const ENGLISH: Record<Problem, string> = {
  busy: "The server is busy. Try again in a few seconds.",
  cancelled: "No passkey was used: it was cancelled, or took too long.",
  failed: "That didn’t work. Try again, or use another way.",
  full: "You have as many passkeys as you may. Remove one first.",
  known: "There is a passkey for you on this device already.",
  link: "This link is unknown, has expired, or was used already. Ask for a new one.",
  "no-network": "The server can’t be reached. Check your connection, and try again.",
  "not-confirmed": "You signed in some time ago. Sign in again, and add the passkey within ten minutes.",
  refused: "This passkey isn’t accepted. Try again, or use another way.",
  "too-many": "Too many tries. Wait a minute, and try again.",
};

const FRENCH: Record<Problem, string> = {
  busy: "Le serveur est très demandé. Réessayez dans quelques secondes.",
  cancelled: "Aucune clé d’accès n’a servi\u00a0: c’était annulé, ou trop long.",
  failed: "Cela n’a pas marché. Réessayez, ou prenez un autre moyen.",
  full: "Vous avez autant de clés d’accès qu’il est permis. Supprimez-en une d’abord.",
  known: "Cet appareil a déjà une clé d’accès pour vous.",
  link: "Ce lien est inconnu, périmé ou déjà utilisé. Demandez-en un autre.",
  "no-network": "Le serveur ne répond pas. Vérifiez votre connexion et réessayez.",
  "not-confirmed":
    "Votre connexion date un peu. Connectez-vous de nouveau, puis ajoutez la clé d’accès dans les dix minutes.",
  refused: "Cette clé d’accès n’est pas acceptée. Réessayez, ou prenez un autre moyen.",
  "too-many": "Trop d’essais. Attendez une minute et réessayez.",
};

/** `language`: the page's, as its element `<html>` has it. */
export function problemText(problem: Problem, language: string): string {
  return (language.startsWith("fr") ? FRENCH : ENGLISH)[problem];
}
