"""Who is let in: codes and links, their limits, signed-in browsers."""
