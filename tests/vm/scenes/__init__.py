"""What is played with a booted image, one file for each scene. A scene takes the stage and notes what it found."""
