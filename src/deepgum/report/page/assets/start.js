/* The gallery of a report. */
new DeepGUM.Gallery(document.getElementById("gallery"), DeepGUM.embedded());
