"""Eyes, built in or the user's own: options, file formats, splits. Knows images and labels, no network and no task."""
