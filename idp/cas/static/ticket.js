/* Sends the page's one form at once; without scripts its button does the same. */
"use strict";

document.querySelector("form[data-send-at-once]").submit();
