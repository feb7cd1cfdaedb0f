"""How the images are made: `image/build` runs `image.builder`."""
